import { isIPv6 } from '../../support/ip-range.ts'
import { type Family, type RuleOptions, chainsOf, endedPodRules, forgottenPodRules, optionsFor, uncutPodRules } from './rules.ts'

/** On the node: what each bridge has done, and the kernel's switches as they were before the first one. */
export const stateFolder = '/run/vitest-kubernetes'

const forward = '/proc/sys/net/ipv4/ip_forward'
const forward6 = '/proc/sys/net/ipv6/conf/all/forwarding'
/** What route_localnet is for IPv4: answers to what came from loopback arrive by eth0 (strict lookup in net/ipv6/route.c). */
const localnet6 = 'local ::1/128 dev eth0 table local metric 2048'
const localnet = '/proc/sys/net/ipv4/conf/all/route_localnet'

/**
 * What `iptables-restore` and `iptables-save` are on the node: k3s' are wrappers that look for the backend anew each time, and take
 * three times as long as the program itself.
 */
export const findIptables = `
case $(iptables --version) in *nf_tables*) backend=nft ;; *) backend=legacy ;; esac
for family in '' 6; do
  for action in restore save; do
    program=ip\${family}tables-$backend-$action
    command -v $program >/dev/null || program=ip\${family}tables-$action
    export ip\${family}tables_$action=$program
  done
done`

export const restoreCommand = (family: Family) => `$ip${family}tables_restore -w 5 --noflush`
export const saveCommand = (family: Family) => `$ip${family}tables_save`

/**
 * In a pod's network namespace. The kernel's own switches are noted before the first bridge changes them.
 *
 * The arguments of all these scripts: $1 the bridge's folder, $2 the network namespace's name, $3 and $4 the pod's addresses.
 */
export function enterScript(options: RuleOptions, families: readonly Family[]): string {
  const hasIPv6 = families.includes('6')
  const restore = (file: string) => families.map((family) => `${restoreCommand(family)} < $1/${file}${family} || exit 1`).join('\n')
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
${options.forwards.some(({ protocol }) => protocol === 'tcp') ? cutConnections(options, restore('cut')) : ''}
: > $1/done-$2
`
}

/**
 * No connection comes to the container any more. Of those that are there, one that has brought nothing yet is about to send its
 * first request, and is waited for, a second at the most; then all are cut. A read of the kernel's list takes 10 ms of processor,
 * since it goes through all of the machine's: it is left out where no connection of the network namespace is established
 * (CurrEstab, RFC 4022).
 */
function cutConnections({ forwards }: RuleOptions, cut: string): string {
  const hex = forwards.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port.toString(16).toUpperCase().padStart(4, '0'))
  // Columns of proc_net_tcp(5). 01 is ESTABLISHED, 03 SYN_RECV, which has fewer columns.
  const open = ` [0-9A-F]+:(${[...new Set(hex)].join('|')}) [0-9A-F]+:[0-9A-F]{4} 0[13] `
  // The fourth from the end (ato) is 0 until the first data comes, see tcp_event_data_recv in net/ipv4/tcp_input.c.
  const silent = ':[0-9A-F]{4} (03 |01 .* 0 [0-9]+ [0-9]+ -?[0-9]+ *$)'
  const pauses = [...Array<string>(10).fill('0.01'), ...Array<string>(18).fill('0.05')]
  return `if ! grep -qE '^Tcp: (-?[0-9]+ ){8}0 ' /proc/net/snmp; then
  for pause in ${pauses.join(' ')}; do
    connections=$(grep -hsE '${open}' /proc/net/tcp /proc/net/tcp6) || break
    echo "$connections" | grep -qE '${silent}' || break
    sleep $pause
  done
  if [ -n "$connections" ]; then
    : > $1/cut-$2
    ${cut}
  fi
fi`
}

/**
 * Forgets what the kernel has noted of a pod's own connections, which began before it took notes, or ended after: one from a port
 * that is among them would be taken for a part of what was (INVALID where the pod's packet was the first that it saw), and
 * neither be sent to the local side nor get an answer, for up to five minutes.
 */
export function forgetOwnScript({ forwards }: RuleOptions): string {
  return forwards
    .filter(({ protocol }) => protocol === 'tcp')
    .flatMap(({ port, address }) => {
      const pod = isIPv6(address) ? '$4' : '$3'
      return [`--orig-port-dst ${port} --reply-src ${pod}`, `--orig-port-src ${port} --orig-src ${pod}`].map((those) =>
        forgetConnections('tcp', address, those),
      )
    })
    .join('\n')
}

/** Each table that changes costs some 10 ms: the one that filters is left alone where nothing has been refused. */
export function leaveScript(options: RuleOptions, families: readonly Family[]): string {
  const { input, cut } = chainsOf(options.id)
  return `
${families
  .map((family) => {
    const own = optionsFor(family, options)
    return `if ${own.refused?.length ? ':' : '[ -e $1/cut-$2 ]'}; then
${restoreOrRemove(family, uncutPodRules(own), [`filter:${cut}`])}
fi
${restoreOrRemove(family, endedPodRules(own), [`nat:${input}`])}`
  })
  .join('\n')}
${flush(options, 'udp')}
`
}

/** @param chains `table:name` of those that have to go when a part is not there, or there twice: whatever names them goes */
function restoreOrRemove(family: Family, rules: string, chains: readonly string[]): string {
  return `if ! ${restoreCommand(family)} 2>/dev/null <<'RULES'
${rules}RULES
then
  for chain in ${chains.join(' ')}; do
    jumps=$(${saveCommand(family)} -t \${chain%:*} | sed -n "s/^-A \\(.*-j \${chain#*:}\\)$/-D \\1/p")
    ${restoreCommand(family)} <<RULES || exit 1
*\${chain%:*}
:\${chain#*:} - [0:0]
$jumps
-X \${chain#*:}
COMMIT
RULES
  done
fi`
}

/** With `flush` as $5 the connections to the local side are forgotten. */
export function forgetInPod(options: RuleOptions, families: readonly Family[]): string {
  const { output, cut } = chainsOf(options.id)
  return `
if [ "$5" = flush ]; then
  ${flush(options, 'tcp') || ':'}
fi
${families.map((family) => restoreOrRemove(family, forgottenPodRules(options), [`nat:${output}`, `filter:${cut}`])).join('\n')}
others=$(echo ${stateFolder}/bridge-*/pod-$2)
note=${stateFolder}/sysctl-$2
if ! [ -e "\${others%% *}" ] && [ -e $note ]; then
  read -r forward localnet forward6 < $note
  echo $forward > ${forward}
  echo $localnet > ${localnet}
  [ -z "$forward6" ] || { echo $forward6 > ${forward6}; ip -6 route del ${localnet6}; }
  rm -f $note
fi
{ :
${forgetOwnScript(options)}
} >/dev/null 2>&1 &
`
}

/**
 * On a node: until none of the connections from its pods to the local side is in one of the states, a second at the most. Sets
 * $noted to all that the kernel has noted of them. One look takes 30 ms of processor, and there is no need of one in each pod.
 */
export function waitForStates({ forwards }: RuleOptions, states: readonly string[]): string {
  const looks = forwards
    .filter(({ protocol }) => protocol === 'tcp')
    .map(
      ({ address, targetPort }) =>
        `conntrack -L ${familyOption(address)} -p tcp --orig-dst ${address} --orig-port-dst ${targetPort} 2>/dev/null`,
    )
  return `noted=
for pause in ${looks.length > 0 ? '0.01 0.02 0.04 0.08 0.16 0.32 0.64' : ''}; do
  noted=$(${[...new Set(looks)].join('; ')})
  case $noted in ${states.map((state) => `*' ${state} '*`).join('|')}) sleep $pause ;; *) break ;; esac
done`
}

/** Forgets the connections that were sent to the local side. */
function flush({ forwards }: RuleOptions, only: 'tcp' | 'udp'): string {
  return forwards
    .filter(({ protocol }) => protocol === only)
    .map(({ protocol, port, address }) =>
      forgetConnections(protocol, address, `--orig-port-dst ${port}${only === 'udp' ? '' : ` --reply-src ${address}`}`),
    )
    .join('\n')
}

/**
 * conntrack stops at the first one that has ended by itself meanwhile, and ends with 1 then as well as when there was none. It
 * looks through what the whole machine has noted, 14 ms of processor; how many notes are the network namespace's is known.
 */
function forgetConnections(protocol: string, address: string, those: string): string {
  return `for try in 1 2 3 4 5; do
  noted=1; read -r noted < /proc/sys/net/netfilter/nf_conntrack_count
  [ "$noted" = 0 ] && break
  said=$(conntrack -D ${familyOption(address)} -p ${protocol} ${those} 2>&1) && break
  case $said in *' 0 flow entries '*) break ;; esac
done`
}

function familyOption(address: string): string {
  return isIPv6(address) ? '-f ipv6' : ''
}
