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
# Whoever has connected just before still sends the first request.
sleep 0.02
${restore('cut')}
# What the kernel has noted of the pod's own connections, as they ended: a caller that takes the same port again would
# be taken for one of them, and not be sent to the local side.
{ for pause in 0.1 1 5; do sleep $pause; [ -d $1 ] || exit; ${own || ':'}; done; } >/dev/null 2>&1 &
: > $1/ns-$2/done
`
}

export function leaveScript(options: RuleOptions, families: readonly Family[]): string {
  return `${families.map((family) => leave(optionsFor(family, options), `ip${family}tables`)).join('')}
${flush(options, 'udp')}
`
}

function leave(options: RuleOptions, iptables: string): string {
  const { input, cut } = chainsOf(options.id)
  const { filter, nat } = endedPodRules(options)
  return `
if ! ${iptables}-restore -w 5 --noflush 2>/dev/null <<'RULES'
${filter}${nat}RULES
then
  # A part is not there, or there twice: whatever names the chains goes.
  for chain in filter:${cut} nat:${input}; do
    jumps=$(${iptables}-save -t \${chain%:*} | sed -n "s/^-A \\(.*-j \${chain#*:}\\)$/-D \\1/p")
    ${iptables}-restore -w 5 --noflush <<RULES || exit 1
*\${chain%:*}
:\${chain#*:} - [0:0]
$jumps
-X \${chain#*:}
COMMIT
RULES
  done
fi
`
}

export function forgetInPod(options: RuleOptions, families: readonly Family[]): string {
  return `
${flush(options, 'tcp')}
${families
  .map(
    (family) => `if ! ip${family}tables-restore -w 5 --noflush 2>/dev/null <<'RULES'
${forgottenPodRules(options)}RULES
then ip${family}tables-save -t nat | grep -q ':${chainsOf(options.id).output} ' && exit 1; fi`,
  )
  .join('\n')}
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
