import { bracketed, isIPv6 } from '../support/ip-range.ts'
import type { Protocol } from './ports.ts'

/** Where the traffic of one port of the pods goes. */
export interface Forward {
  readonly protocol: Protocol
  /** Of the pods. */
  readonly port: number
  /** Of the local side, in the cluster's Docker network. Its family is that of the packets that go there. */
  readonly address: string
  readonly targetPort: number
}

/** What kubelet's probes carry in the DSCP field, which outlives the way into the pod's namespace. */
const probeMark = 42

/**
 * kube-router's controller of NetworkPolicies, which k3s runs, refuses what lacks this mark once it has gone through the
 * policies of a pod. An accepting rule of ours ahead of its own would not last: it moves to the first place again and again,
 * and writes the whole table anew (pkg/controllers/netpol, version 2.6).
 */
const allowedMark = '0x10000/0x10000'

/** Chains of a bridge, so that its rules can be told from all others and removed exactly. iptables allows 28 characters. */
export function chainsOf(id: string) {
  const chain = (name: string) => `VK-${id}-${name}`
  return { input: chain('IN'), output: chain('OUT'), cut: chain('CUT'), probe: chain('PROBE'), pass: chain('PASS') } as const
}

export interface RuleOptions {
  readonly id: string
  readonly forwards: readonly Forward[]
  /** Whether kubelet's probes stay with the original. */
  readonly keepProbes: boolean
  /** Ports for which the local side has no address of this family: refused at once, so that clients take the other. */
  readonly refused?: readonly Pick<Forward, 'protocol' | 'port'>[]
}

/** What iptables' programs have in their names, and scripts in those of their files: nothing for IPv4. */
export type Family = '' | '6'

/** The kernel has a set of rules for each family. */
export function optionsFor<Options extends RuleOptions>(family: Family, options: Options): Options {
  const isOwn = ({ address }: Forward) => isIPv6(address) === (family === '6')
  const own = options.forwards.filter(isOwn)
  const refused = options.forwards.filter(
    (each) => !isOwn(each) && !own.some(({ port, protocol }) => port === each.port && protocol === each.protocol),
  )
  return { ...options, forwards: own, refused }
}

/**
 * Rules for the network namespace of a pod, as iptables-restore reads them. Nothing in them differs from pod to pod, so
 * they can be prepared before a pod exists.
 *
 * - IN: a connection for a bridged port, from outside or over loopback, goes to the local side. Only its first packet is
 *   looked at: connections that are older stay where they are.
 * - OUT: with the pod's address as its source, so that the answer comes back here.
 */
export function podRules({ id, forwards, keepProbes }: RuleOptions): string {
  const { input, output } = chainsOf(id)
  return table('nat', [
    `:${input} - [0:0]`,
    `:${output} - [0:0]`,
    ...passProbes(input, keepProbes),
    ...forwards.map(
      ({ protocol, port, address, targetPort }) =>
        `-A ${input} -p ${protocol} -m addrtype --dst-type LOCAL -m ${protocol} --dport ${port}${protocol === 'tcp' ? ' --syn' : ''} -j DNAT --to-destination ${bracketed(address)}:${targetPort}`,
    ),
    ...forwards.map(
      ({ protocol, address, targetPort }) =>
        `-A ${output} -d ${host(address)} -p ${protocol} -m ${protocol} --dport ${targetPort} -j MASQUERADE`,
    ),
    ...add(jumps(id).nat),
  ])
}

/**
 * A moment later:
 *
 * - A connection that is older than the bridge may finish the answer under way; its next request is reset.
 * - A packet that the kernel finds out of place (INVALID) is not translated, and the pod, which knows no such connection,
 *   would reset it: as kube-proxy does, drop it, and it is sent again (kubernetes/kubernetes#74839).
 */
export function cutRules({ id, forwards, keepProbes, refused = [] }: RuleOptions): string {
  const { cut } = chainsOf(id)
  const tcp = forwards.filter(({ protocol }) => protocol === 'tcp')
  const invalid = '-m conntrack --ctstate INVALID -j DROP'
  return table('filter', [
    `:${cut} - [0:0]`,
    ...tcp.flatMap(({ port, address, targetPort }) => [
      `-A ${cut} -p tcp -m tcp --dport ${port} ${invalid}`,
      `-A ${cut} -s ${host(address)} -p tcp -m tcp --sport ${targetPort} ${invalid}`,
    ]),
    ...passProbes(cut, keepProbes),
    ...tcp.map(({ port }) => `-A ${cut} -p tcp -m tcp --dport ${port} --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset`),
    ...refused.map(
      ({ protocol, port }) =>
        `-A ${cut} -p ${protocol} -m ${protocol} --dport ${port} -j REJECT${protocol === 'tcp' ? ' --reject-with tcp-reset' : ''}`,
    ),
    ...add(jumps(id).filter),
  ])
}

function passProbes(chain: string, keepProbes: boolean): readonly string[] {
  return keepProbes ? [`-A ${chain} -m dscp --dscp ${probeMark} -j RETURN`] : []
}

/**
 * Takes IN and CUT away: new connections are the pod's again. OUT stays as long as there are connections of the bridge:
 * with its last rule that needs it, a network namespace stops to track connections, and theirs would break. `filter` comes
 * first: what IN no longer sends on must not meet CUT.
 */
export function endedPodRules({ id }: RuleOptions): { readonly filter: string; readonly nat: string } {
  const { input, cut } = chainsOf(id)
  const { nat, filter } = jumps(id)
  return {
    filter: table('filter', [...remove(filter), ...drop([cut])]),
    nat: table('nat', [...remove(nat.slice(0, -1)), ...drop([input])]),
  }
}

/** Takes away what endedPodRules leaves. */
export function forgottenPodRules({ id }: RuleOptions): string {
  return table('nat', [...remove(jumps(id).nat.slice(-1)), ...drop([chainsOf(id).output])])
}

/**
 * Rules for a node, in the table that packets pass before those that filter:
 *
 * - PROBE: what its own processes send to pods' addresses are kubelet's probes, and is marked. A Service's address does not
 *   match: it is translated after this table.
 * - PASS: what goes from its pods to the local side has the mark of packets that a NetworkPolicy allows.
 */
export function nodeRules({ id, forwards, keepProbes }: RuleOptions, podCidr: string): string {
  const { probe, pass } = chainsOf(id)
  const probes = forwards
    .filter(({ protocol }) => protocol === 'tcp' && keepProbes)
    .map(({ port }) => `-A ${probe} -d ${podCidr} -p tcp -m tcp --dport ${port} -j DSCP --set-dscp ${probeMark}`)
  const allowed = forwards.map(
    ({ protocol, address, targetPort }) =>
      `-A ${pass} -s ${podCidr} -d ${host(address)} -p ${protocol} -m ${protocol} --dport ${targetPort} -j MARK --set-xmark ${allowedMark}`,
  )
  return table('mangle', [`:${probe} - [0:0]`, `:${pass} - [0:0]`, ...probes, ...allowed, `-A OUTPUT -j ${probe}`, `-A FORWARD -j ${pass}`])
}

/** The opposite of nodeRules. */
export function removedNodeRules({ id }: RuleOptions): string {
  const { probe, pass } = chainsOf(id)
  return table('mangle', [`-D OUTPUT -j ${probe}`, `-D FORWARD -j ${pass}`, ...drop([probe, pass])])
}

function jumps(id: string): { readonly nat: readonly string[]; readonly filter: readonly string[] } {
  const { input, output, cut } = chainsOf(id)
  return { nat: [`PREROUTING -j ${input}`, `OUTPUT -j ${input}`, `POSTROUTING -j ${output}`], filter: [`INPUT -j ${cut}`] }
}

const host = (address: string) => `${address}/${isIPv6(address) ? 128 : 32}`
const add = (rules: readonly string[]) => rules.map((rule) => `-A ${rule}`)
const remove = (rules: readonly string[]) => rules.map((rule) => `-D ${rule}`)
const drop = (chains: readonly string[]) => [...chains.map((chain) => `-F ${chain}`), ...chains.map((chain) => `-X ${chain}`)]

function table(name: string, lines: readonly string[]): string {
  return [`*${name}`, ...lines, 'COMMIT', ''].join('\n')
}
