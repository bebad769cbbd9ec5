import { ClusterTestError } from '../support/errors.ts'
import { type RequestMatch, canOverlap, describeMatch } from './junction/match.ts'
import { sharePods } from './rules/overlap.ts'
import type { PortMapping } from './rules/ports.ts'
import type { BridgeTarget } from './rules/target.ts'

/** What a bridge takes. */
export interface Claim {
  readonly id: string
  /** undefined for a local container that replaces nothing. */
  readonly target: BridgeTarget | undefined
  readonly ports: readonly PortMapping[]
  /** Which requests; undefined for all. */
  readonly match: readonly RequestMatch[] | undefined
  /** Whether copies only. */
  readonly mirror: boolean
}

/** Bridges of the same name for the same container share a port, see junctions.ts. */
export function isSame(one: BridgeTarget, other: BridgeTarget | undefined): boolean {
  return other?.namespace === one.namespace && other.workload === one.workload && other.container.name === one.container.name
}

/**
 * Ports belong to the pod, whichever of its containers answers.
 * @throws ClusterTestError `ERR_BRIDGE_ALREADY_BRIDGED` that names the bridge which was there first
 */
export function refuseConflict(
  target: BridgeTarget,
  { ports, match, mirror }: Pick<Claim, 'ports' | 'match' | 'mirror'>,
  others: readonly Claim[],
): void {
  const holder = others.find(
    (other) =>
      other.target &&
      sharePods(other.target, target) &&
      other.ports.some(({ port, protocol }) => ports.some((each) => each.port === port && each.protocol === protocol)) &&
      !(isSame(target, other.target) && (mirror || other.mirror || !canOverlap(match, other.match))),
  )
  if (!holder) return
  const held = holder.ports.map(({ port }) => port).join(', ')
  throw new ClusterTestError(
    'ERR_BRIDGE_ALREADY_BRIDGED',
    `Workload "${target.workload}" is bridged already: bridge "${holder.id}" has port ${held} of its pods, for "${holder.target!.workload}" and ${describeMatch(holder.match)}.`,
    { hint: hintFor(target, match, holder) },
  )
}

function hintFor(target: BridgeTarget, match: Claim['match'], holder: Claim): string {
  if (!isSame(target, holder.target))
    return `Dispose the first bridge, or name workload and container as it does: "${holder.target!.workload}".`
  if (match && holder.match)
    return 'A request could fit both. Give one header, path or method other texts in each of the two; of two patterns nobody can tell.'
  return 'Dispose the first bridge, give the two different ports, or give both a `match`, so that they share the port.'
}
