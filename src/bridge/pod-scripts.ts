import { isIPv6 } from '../support/ip-range.ts'
import { type Family, type RuleOptions, chainsOf, endedPodRules, forgottenPodRules, optionsFor } from './rules.ts'

/** On the node: what each bridge has done, and the kernel's switches as they were before the first one. */
export const stateFolder = '/run/vitest-kubernetes'

const forward = '/proc/sys/net/ipv4/ip_forward'
const forward6 = '/proc/sys/net/ipv6/conf/all/forwarding'
/** What route_localnet is for IPv4: answers to what came from loopback arrive by eth0 (strict lookup in net/ipv6/route.c). */
const localnet6 = 'local ::1/128 dev eth0 table local metric 2048'
const localnet = '/proc/sys/net/ipv4/conf/all/route_localnet'

/** In a pod's network namespace. The kernel's own switches are noted before the first bridge changes them. */
export function enterScript(options: RuleOptions, families: readonly Family[]): string {
  const own = options.forwards
    .filter(({ protocol }) => protocol === 'tcp')
    .map(({ protocol, port, address }) => conntrack(protocol, port, isIPv6(address) ? '-f ipv6 --reply-src $4' : '--reply-src $3'))
    .join('; ')
  const hasIPv6 = families.includes('6')
  const restore = (file: string) =>
    families.map((family) => `ip${family}tables-restore -w 5 --noflush < $1/${file}${family} || exit 1`).join('\n')
  return `
note=${stateFolder}/sysctl-$2
if ! [ -e $note ]; then
  read -r forward < ${forward}
  read -r localnet < ${localnet}
  ${hasIPv6 ? `read -r forward6 < ${forward6}` : 'forward6='}
  echo "$forward $localnet $forward6" > $note
fi
echo 1 > ${forward}
echo 1 > ${localnet}
${hasIPv6 ? `echo 1 > ${forward6}\nip -6 route replace ${localnet6} || exit 1` : ''}
${restore('rules')}
${flush(options, 'udp')}
# No connection comes to the container from here on. Those that have come a moment ago still send their first request.
read -r known < $1/known
${listConnections(options.forwards)}
tries=0
while
  list_connections
  young=
  for each in $connections; do case " $known " in *" $each "*) ;; *) young=1 ;; esac; done
  [ -n "$young" ] && [ $tries -lt 30 ]
do sleep 0.01; tries=$((tries + 1)); done
if [ -n "$connections" ]; then
  ${restore('cut')}
fi
# What the kernel has noted of the pod's own connections, as they ended: a caller that takes the same port again would
# be taken for one of them, and not be sent to the local side.
{ for pause in 0.1 1 5; do sleep $pause; [ -d $1 ] || exit; ${own || ':'}; done; } >/dev/null 2>&1 &
: > $1/ns-$2/done
`
}

/** Defines list_connections: TCP connections to ports of a pod, in its network namespace, from proc_net_tcp(5). */
export function listConnections(ports: readonly { readonly protocol: string; readonly port: number }[]): string {
  // 01 is ESTABLISHED, 03 SYN_RECV.
  const patterns = ports
    .filter(({ protocol }) => protocol === 'tcp')
    .map(({ port }) => `*:${port.toString(16).toUpperCase().padStart(4, '0')}/0[13]`)
  return `list_connections() {
  connections=
  for table in tcp tcp6; do
    [ -e /proc/net/$table ] || continue
    while read -r number local remote state rest; do
      case $local/$state in ${patterns.join('|') || "''"}) connections="$connections $local-$remote" ;; esac
    done < /proc/net/$table
  done
}`
}

export function leaveScript(options: RuleOptions, families: readonly Family[]): string {
  const { input } = chainsOf(options.id)
  return `
${families.map((family) => restoreOrRemove(family, endedPodRules(optionsFor(family, options)), [`nat:${input}`])).join('\n')}
${flush(options, 'udp')}
# Connections that are being made are still the bridge's, and on their way to whoever is about to stop listening.
${waitForStates(options, ['SYN_SENT', 'SYN_RECV'])}
`
}

/** @param chains `table:name` of those that have to go when a part is not there, or there twice: whatever names them goes */
function restoreOrRemove(family: Family, rules: string, chains: readonly string[]): string {
  return `if ! ip${family}tables-restore -w 5 --noflush 2>/dev/null <<'RULES'
${rules}RULES
then
  for chain in ${chains.join(' ')}; do
    jumps=$(ip${family}tables-save -t \${chain%:*} | sed -n "s/^-A \\(.*-j \${chain#*:}\\)$/-D \\1/p")
    ip${family}tables-restore -w 5 --noflush <<RULES || exit 1
*\${chain%:*}
:\${chain#*:} - [0:0]
$jumps
-X \${chain#*:}
COMMIT
RULES
  done
fi`
}

export function forgetInPod(options: RuleOptions, families: readonly Family[]): string {
  const { output, cut } = chainsOf(options.id)
  return `
# The local side has closed its connections, but what it has sent may still be on its way, and the caller has to close its
# end too: a connection that is half closed for the node would take the next one from the same port to a pod that is gone.
${waitForStates(options, ['ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK'])}
${flush(options, 'tcp')}
${families.map((family) => restoreOrRemove(family, forgottenPodRules(options), [`nat:${output}`, `filter:${cut}`])).join('\n')}
others=$(echo ${stateFolder}/bridge-*/ns-$2)
note=${stateFolder}/sysctl-$2
if ! [ -e "\${others%% *}" ] && [ -e $note ]; then
  read -r forward localnet forward6 < $note
  echo $forward > ${forward}
  echo $localnet > ${localnet}
  [ -z "$forward6" ] || { echo $forward6 > ${forward6}; ip -6 route del ${localnet6}; }
  rm -f $note
fi
`
}

/** Until no connection to the local side is in one of the states: a fifth of a second at the most. */
function waitForStates({ forwards }: RuleOptions, states: readonly string[]): string {
  const list = forwards
    .filter(({ protocol }) => protocol === 'tcp')
    .map(({ port, address }) => `$(conntrack -L -p tcp --orig-port-dst ${port} --reply-src ${address} 2>/dev/null)`)
  if (list.length === 0) return ''
  return `for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  case "${list.join('')}" in ${states.map((state) => `*' ${state} '*`).join('|')}) sleep 0.01 ;; *) break ;; esac
done`
}

/** Forgets the connections that were sent to the local side. conntrack ends with 1 when there was none. */
function flush({ forwards }: RuleOptions, only: 'tcp' | 'udp'): string {
  return forwards
    .filter(({ protocol }) => protocol === only)
    .map(({ protocol, port, address }) => {
      const family = isIPv6(address) ? '-f ipv6' : ''
      return `${conntrack(protocol, port, only === 'udp' ? family : `${family} --reply-src ${address}`)} || :`
    })
    .join('\n')
}

function conntrack(protocol: string, port: number, more: string): string {
  return `conntrack -D -p ${protocol} --orig-port-dst ${port} ${more} >/dev/null 2>&1`
}
