import { isIPv6 } from '../../support/ip-range.ts'
import { type Family, drop, table } from './rules.ts'

/** Of a cut: the pods of one workload, and those of the other. */
export type CutSide = 'A' | 'B'

export interface CutAddress {
  readonly side: CutSide
  readonly address: string
}

/** Chains of a cut, so that its rules can be told from all others and removed exactly. */
export function cutChainsOf(id: string) {
  return { between: `VK-${id}-APART`, A: `VK-${id}-A`, B: `VK-${id}-B` } as const
}

/**
 * Rules for a node, where packets have the addresses of pods at both ends: after those of Services are translated, and before the
 * answers to them are. What a bridge diverts goes to a pod first, and has not been diverted yet. kube-router writes the table that
 * filters anew all the time; it leaves this one alone.
 *
 * - APART: what comes from a side goes through the chain of the other one,
 * - A, B: which drops what goes to that.
 */
export function startedCut(id: string, addresses: readonly CutAddress[], family: Family): string {
  const { between, A, B } = cutChainsOf(id)
  const chains = [between, A, B].map((chain) => `:${chain} - [0:0]`)
  return table('mangle', [...chains, ...ofFamily(addresses, family).flatMap(linesOf(id, '-A')), `-I FORWARD -j ${between}`])
}

/** Empty where nothing changes. */
export function changedCut(id: string, added: readonly CutAddress[], removed: readonly CutAddress[], family: Family): string {
  const lines = [...ofFamily(removed, family).flatMap(linesOf(id, '-D')), ...ofFamily(added, family).flatMap(linesOf(id, '-A'))]
  return lines.length > 0 ? table('mangle', lines) : ''
}

/** For both families. */
export function endedCut(id: string): string {
  const { between, A, B } = cutChainsOf(id)
  return table('mangle', [`-D FORWARD -j ${between}`, ...drop([between, A, B])])
}

/** For a pod that the node finds itself, which puts its ADDRESS in, and -A or -D for OP. */
export function templateOfCut(id: string, side: CutSide): string {
  return table('mangle', linesOf(id, 'OP')({ side, address: 'ADDRESS' }))
}

function ofFamily(addresses: readonly CutAddress[], family: Family): readonly CutAddress[] {
  return addresses.filter(({ address }) => isIPv6(address) === (family === '6'))
}

function linesOf(id: string, operation: string): (address: CutAddress) => readonly string[] {
  const { between, ...chains } = cutChainsOf(id)
  return ({ side, address }) => [
    `${operation} ${between} -s ${address} -j ${chains[side === 'A' ? 'B' : 'A']}`,
    `${operation} ${chains[side]} -d ${address} -j DROP`,
  ]
}
