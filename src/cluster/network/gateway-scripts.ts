import { bracketed, isIPv6 } from '../../support/ip-range.ts'
import type { ClusterNode } from '../cluster.ts'
import type { Lead } from './service-targets.ts'

/** Where each port of a gateway leads; what is undefined is refused. */
export type Leads = readonly (Lead | undefined)[]

/** Of the container, for the first of its ports. */
export const firstPort = 20_000

/** What the container prints once its ports lead somewhere. */
export const readyWord = 'gateway-ready'

type Node = Pick<ClusterNode, 'container' | 'address' | 'address6'>

/** Runs once more when Docker starts the container again, in what order ever: the node may have another address by then. */
export function startScript(node: Node, leads: Leads): readonly string[] {
  const families = familiesOf(node)
  return [
    ...families.map(
      ({ restore }) => `${restore}\n*nat\n:${chain} - [0:0]\n-A PREROUTING -j ${chain}\n-A POSTROUTING -j MASQUERADE\nCOMMIT\nRULES`,
    ),
    ...families.map(({ bits, option }) => `until ${findAddress(node, option, `via${bits}`)}; do sleep 0.2; done`),
    // A node that has just been started sends on what is for Services, to wherever that may be, until it has its own rules.
    `[ ! -e ${mark} ] || until ${answers}; do sleep 0.5; done`,
    `: > ${mark}`,
    leadTo(
      families.map((each) => ({ ...each, via: `$via${each.bits}` })),
      leads,
    ),
    `echo ${readyWord}`,
  ]
}

/** In a container that was started before. */
const mark = '/gateway-started'

/** Whether k3s' API listens, which comes after those rules: it refuses plain HTTP with status 400. */
const answers = 'kubectl --kubeconfig=/dev/null --server=http://$via32:6443 --request-timeout=2s get --raw=/ 2>&1 | grep -q BadRequest'

/**
 * Docker knows containers by name; of all that looks names up, the images of nodes have BusyBox' ping. One that does not run yet may be
 * known to some name server out there: an address of this network needs no router.
 */
function findAddress({ container }: Node, option: string, variable: string): string {
  const ask = `ping ${option} -c 1 -W 1 ${container} 2>/dev/null | sed -n '1s/^[^(]*(\\([^)]*\\)).*/\\1/p'`
  return `${variable}=$(${ask}) && [ -n "$${variable}" ] && ! ip route get "$${variable}" | grep -q ' via '`
}

/** Replaces all that was there before, at once. */
export function leadScript(node: Node, leads: Leads): string {
  return leadTo(familiesOf(node), leads)
}

function leadTo(families: ReturnType<typeof familiesOf>, leads: Leads): string {
  const all = leads.flatMap((lead, index) => (lead ? [{ ...lead, inside: firstPort + index }] : []))
  return [
    ...families.flatMap(({ restore, bits, via, isOwn }) => {
      const own = all.filter(({ address }) => isOwn(address))
      const rules = own.map(
        ({ address, port, inside }) => `-A ${chain} -p tcp --dport ${inside} -j DNAT --to-destination ${bracketed(address)}:${port}\n`,
      )
      return [
        ...new Set(own.map(({ address }) => `ip route replace ${address}/${bits} via ${via}`)),
        // One restore for all rules: a single iptables call takes some 10 ms each.
        `${restore}\n*nat\n:${chain} - [0:0]\n${rules.join('')}COMMIT\nRULES`,
      ]
    }),
    // Connections that nobody has answered yet: what is sent again goes the new way.
    'conntrack -D -p tcp --state SYN_SENT >/dev/null 2>&1 || :',
  ].join('\n')
}

const chain = 'GATEWAY'

/** A host's IPv6 connection can only go on over IPv6, and the other way round. */
function familiesOf({ address, address6 }: Node) {
  const restore = (program: string) => `${program} -w 5 --noflush <<'RULES'`
  const ipv4 = { restore: restore('iptables-restore'), option: '-4', bits: 32, via: address, isOwn: (each: string) => !isIPv6(each) }
  const ipv6 = { restore: restore('ip6tables-restore'), option: '-6', bits: 128, via: address6, isOwn: isIPv6 }
  return address6 ? [ipv4, ipv6] : [ipv4]
}
