import { bracketed, isIPv6 } from '../../support/ip-range.ts'
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
/** What carries this is for the original, whoever sends it. */
const passageMark = 43

/**
 * kube-router's controller of NetworkPolicies, which k3s runs, refuses what lacks this mark once it has gone through the
 * policies of a pod. An accepting rule of ours ahead of its own would not last: it moves to the first place again and again,
 * and writes the whole table anew (pkg/controllers/netpol, version 2.6).
 */
const allowedMark = '0x10000/0x10000'

/** Chains of a bridge, so that its rules can be told from all others and removed exactly. iptables allows 28 characters. */
export function chainsOf(id: string) {
  const chain = (name: string) => `VK-${id}-${name}`
  return { input: chain('IN'), output: chain('OUT'), cut: chain('CUT'), probe: chain('PROBE'), allow: chain('ALLOW') } as const
}

export interface RuleOptions {
  readonly id: string
  readonly forwards: readonly Forward[]
  /** Whether kubelet's probes stay with the original. */
  readonly keepProbes: boolean
  /** Ports of the pods' loopback that the local side reaches by the mark of passages. */
  readonly fromPod?: readonly number[]
  /** Ports for which the local side has no address of this family: refused at once, so that clients take the other. */
  readonly refused?: readonly Pick<Forward, 'protocol' | 'port'>[]
}

/** Of IP, as scripts and their files have it. */
export type Family = '4' | '6'

/** The kernel has a set of rules for each family. */
export function optionsFor<Options extends RuleOptions>(family: Family, options: Options): Options {
  const isOwn = ({ address }: Forward) => isIPv6(address) === (family === '6')
  const own = options.forwards.filter(isOwn)
  const refused = options.forwards.filter(
    (each) => !isOwn(each) && !own.some(({ port, protocol }) => port === each.port && protocol === each.protocol),
  )
  // Loopback is IPv4's.
  return { ...options, forwards: own, refused, ...(family === '6' && { fromPod: [] }) }
}

/**
 * Rules for the network namespace of a pod, as iptables-restore reads them. Nothing in them differs from pod to pod, so
 * they can be prepared before a pod exists.
 *
 * - IN: a connection for a bridged port, from outside or over loopback, goes to the local side. Only its first packet is
 *   looked at: connections that are older stay where they are.
 * - OUT: with the pod's address as its source, so that the answer comes back here.
 * - CUT: a packet that the kernel finds out of place (INVALID) is not translated, and the pod, which knows no such
 *   connection, would reset it: as kube-proxy does, drop it, and it is sent again (kubernetes/kubernetes#74839).
 */
export function podRules({ id, forwards, keepProbes, fromPod = [], refused = [] }: RuleOptions): string {
  const { input, output, cut } = chainsOf(id)
  const { nat, filter } = jumps(id)
  return (
    table('filter', [
      `:${cut} - [0:0]`,
      ...dropInvalid(cut, forwards),
      ...passMarked(cut, keepProbes),
      ...refused.map(
        ({ protocol, port }) =>
          `-A ${cut} -p ${protocol} -m ${protocol} --dport ${port} -j REJECT${protocol === 'tcp' ? ' --reject-with tcp-reset' : ''}`,
      ),
      ...add(filter),
    ]) +
    table('nat', [
      `:${input} - [0:0]`,
      `:${output} - [0:0]`,
      ...fromPod.map(
        (port) => `-A ${input} -p tcp -m tcp --dport ${port} -m dscp --dscp ${passageMark} -j DNAT --to-destination 127.0.0.1:${port}`,
      ),
      ...passMarked(input, keepProbes),
      ...forwards.map(
        ({ protocol, port, address, targetPort }) =>
          `-A ${input} -p ${protocol} -m addrtype --dst-type LOCAL -m ${protocol} --dport ${port}${protocol === 'tcp' ? ' --syn' : ''} -j DNAT --to-destination ${bracketed(address)}:${targetPort}`,
      ),
      ...forwards.map(
        ({ protocol, address, targetPort }) =>
          `-A ${output} -d ${host(address)} -p ${protocol} -m ${protocol} --dport ${targetPort} -j MASQUERADE`,
      ),
      ...add(nat),
    ])
  )
}

/** Where connections are older than the bridge: they may finish the answer under way; their next request is reset. */
export function cutRules({ id, forwards }: RuleOptions): string {
  const tcp = forwards.filter(({ protocol }) => protocol === 'tcp')
  return table(
    'filter',
    tcp.map(({ port }) => `-A ${chainsOf(id).cut} -p tcp -m tcp --dport ${port} --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset`),
  )
}

function dropInvalid(chain: string, forwards: readonly Forward[]): readonly string[] {
  const invalid = '-m conntrack --ctstate INVALID -j DROP'
  return forwards
    .filter(({ protocol }) => protocol === 'tcp')
    .flatMap(({ port, address, targetPort }) => [
      `-A ${chain} -p tcp -m tcp --dport ${port} ${invalid}`,
      `-A ${chain} -s ${host(address)} -p tcp -m tcp --sport ${targetPort} ${invalid}`,
    ])
}

function passMarked(chain: string, keepProbes: boolean): readonly string[] {
  return [passageMark, ...(keepProbes ? [probeMark] : [])].map((mark) => `-A ${chain} -m dscp --dscp ${mark} -j RETURN`)
}

/** Resets nothing more: to be applied before endedPodRules, since what IN no longer sends on must not be reset. */
export function uncutPodRules({ id, forwards }: RuleOptions): string {
  const { cut } = chainsOf(id)
  return table('filter', [`-F ${cut}`, ...dropInvalid(cut, forwards)])
}

/**
 * Takes IN away: new connections are the pod's again. The rest stays as long as there are connections of the bridge: with the
 * last rule that needs it, a network namespace stops to track connections, and theirs would break.
 */
export function endedPodRules({ id }: RuleOptions): string {
  return table('nat', [...remove(jumps(id).nat.slice(0, -1)), ...drop([chainsOf(id).input])])
}

/** Takes away what endedPodRules leaves. */
export function forgottenPodRules({ id }: RuleOptions): string {
  const { cut, output } = chainsOf(id)
  const { nat, filter } = jumps(id)
  return table('nat', [...remove(nat.slice(-1)), ...drop([output])]) + table('filter', [...remove(filter), ...drop([cut])])
}

/**
 * Rules for a node, in the table that packets pass before those that filter:
 *
 * - PROBE: what its own processes send to pods' addresses are kubelet's probes, and is marked. A Service's address does not
 *   match: it is translated after this table.
 * - ALLOW: what goes from its pods to the local side has the mark of packets that a NetworkPolicy allows.
 */
export function nodeRules({ id, forwards, keepProbes }: RuleOptions, podCidr: string): string {
  const { probe, allow } = chainsOf(id)
  const probes = forwards
    .filter(({ protocol }) => protocol === 'tcp' && keepProbes)
    .map(({ port }) => `-A ${probe} -d ${podCidr} -p tcp -m tcp --dport ${port} -j DSCP --set-dscp ${probeMark}`)
  const allowed = forwards.map(
    ({ protocol, address, targetPort }) =>
      `-A ${allow} -s ${podCidr} -d ${host(address)} -p ${protocol} -m ${protocol} --dport ${targetPort} -j MARK --set-xmark ${allowedMark}`,
  )
  return table('mangle', [
    `:${probe} - [0:0]`,
    `:${allow} - [0:0]`,
    ...probes,
    ...allowed,
    `-A OUTPUT -j ${probe}`,
    `-A FORWARD -j ${allow}`,
  ])
}

/** The opposite of nodeRules. */
export function removedNodeRules({ id }: RuleOptions): string {
  const { probe, allow } = chainsOf(id)
  return table('mangle', [`-D OUTPUT -j ${probe}`, `-D FORWARD -j ${allow}`, ...drop([probe, allow])])
}

interface Address {
  readonly host: string
  readonly port: number
}

/** For a node: the chains in which passages are, see passageRules. */
export function startedPassageRules(id: string): string {
  const chain = passageChain(id)
  return ['mangle', 'nat'].map((name) => table(name, [`:${chain} - [0:0]`, `-I PREROUTING -j ${chain}`])).join('')
}

/** For a node: what comes to a port of its own goes to a pod, with the mark that no bridge touches, and past NetworkPolicies. */
export function passageRules(id: string, own: Address, pod: Address): string {
  const toOwn = `-A ${passageChain(id)} -d ${own.host}/32 -p tcp -m tcp --dport ${own.port}`
  return (
    table('mangle', [`${toOwn} -j DSCP --set-dscp ${passageMark}`, `${toOwn} -j MARK --set-xmark ${allowedMark}`]) +
    table('nat', [`${toOwn} -j DNAT --to-destination ${pod.host}:${pod.port}`])
  )
}

/** The opposite of startedPassageRules and of all passageRules after it. */
export function removedPassageRules(id: string): string {
  const chain = passageChain(id)
  return ['mangle', 'nat'].map((name) => table(name, [`-D PREROUTING -j ${chain}`, ...drop([chain])])).join('')
}

/**
 * For the network namespace of a local container: ports of its loopback lead to a pod, or nowhere while there is none.
 * Every use replaces what was there before.
 */
export function loopbackRules(ports: readonly number[], pod: string | undefined): string {
  const to = pod ? ports : []
  return (
    table('mangle', [
      ':VK-LOOPBACK - [0:0]',
      ...to.map((port) => `-A VK-LOOPBACK -d 127.0.0.1/32 -p tcp -m tcp --dport ${port} -j DSCP --set-dscp ${passageMark}`),
    ]) +
    table('nat', [
      ':VK-LOOPBACK - [0:0]',
      ':VK-LOOPBACK-OUT - [0:0]',
      ...to.map((port) => `-A VK-LOOPBACK -d 127.0.0.1/32 -p tcp -m tcp --dport ${port} -j DNAT --to-destination ${pod}:${port}`),
      ...to.map((port) => `-A VK-LOOPBACK-OUT -d ${pod}/32 -p tcp -m tcp --dport ${port} -j MASQUERADE`),
    ])
  )
}

/** Once, after the first loopbackRules. */
export function loopbackJumps(): string {
  return table('mangle', ['-A OUTPUT -j VK-LOOPBACK']) + table('nat', ['-A OUTPUT -j VK-LOOPBACK', '-A POSTROUTING -j VK-LOOPBACK-OUT'])
}

function passageChain(id: string): string {
  return `VK-${id}-WAY`
}

function jumps(id: string): { readonly nat: readonly string[]; readonly filter: readonly string[] } {
  const { input, output, cut } = chainsOf(id)
  return { nat: [`PREROUTING -j ${input}`, `OUTPUT -j ${input}`, `POSTROUTING -j ${output}`], filter: [`INPUT -j ${cut}`] }
}

/** Ahead of those of older bridges: what copies requests comes before what takes them. */
const add = (rules: readonly string[]) => rules.map((rule) => `-I ${rule}`)
const host = (address: string) => `${address}/${isIPv6(address) ? 128 : 32}`
const remove = (rules: readonly string[]) => rules.map((rule) => `-D ${rule}`)
export const drop = (chains: readonly string[]) => [...chains.map((chain) => `-F ${chain}`), ...chains.map((chain) => `-X ${chain}`)]

export function table(name: string, lines: readonly string[]): string {
  return [`*${name}`, ...lines, 'COMMIT', ''].join('\n')
}
