import { ClusterTestError } from '../support/errors.ts'
import { type RequestMatch, canOverlap, describeMatch } from './junction/match.ts'
import { sharePods } from './rules/overlap.ts'
import type { PortMapping } from './rules/ports.ts'
import type { Forward } from './rules/rules.ts'
import type { BridgeTarget } from './rules/target.ts'

/** What a bridge takes. */
export interface Claim {
  readonly id: string
  readonly target: BridgeTarget
  readonly ports: readonly PortMapping[]
  /** Which requests; undefined for all. */
  readonly match: readonly RequestMatch[] | undefined
  /** Whether nothing goes to it but copies, or nothing at all. */
  readonly isBeside: boolean
  /** What goes to it by rules of its own, at this moment, as this machine reaches it. */
  direct(): Promise<readonly Forward[]>
  readonly onProblem: (error: unknown) => void
}

/** What the bridges of a cluster have taken, those included that are not set yet. */
export interface Claims {
  /** @throws ClusterTestError `ERR_BRIDGE_ALREADY_BRIDGED` that names the bridge which was there first */
  claim(claim: Claim): Disposable
  /** Those of other bridges of the same container. */
  beside(id: string, target: BridgeTarget): readonly Claim[]
}

export function createClaims(): Claims {
  const all = new Set<Claim>()
  return {
    claim(claim) {
      refuseConflict(claim, [...all])
      all.add(claim)
      return { [Symbol.dispose]: () => void all.delete(claim) }
    },
    beside: (id, target) => [...all].filter((each) => each.id !== id && isSame(target, each.target)),
  }
}

/** Bridges of the same name for the same container share a port, see junctions.ts. */
function isSame(one: BridgeTarget, other: BridgeTarget): boolean {
  return other.namespace === one.namespace && other.workload === one.workload && other.container.name === one.container.name
}

/** Ports belong to the pod, whichever of its containers answers. */
function refuseConflict({ target, ports, match, isBeside }: Claim, others: readonly Claim[]): void {
  const holder = others.find(
    (other) =>
      sharePods(other.target, target) &&
      other.ports.some(({ port, protocol }) => ports.some((each) => each.port === port && each.protocol === protocol)) &&
      !(isSame(target, other.target) && (isBeside || other.isBeside || !canOverlap(match, other.match))),
  )
  if (!holder) return
  const held = holder.ports.map(({ port }) => port).join(', ')
  throw new ClusterTestError(
    'ERR_BRIDGE_ALREADY_BRIDGED',
    `Workload "${target.workload}" is already bridged: bridge "${holder.id}" has port ${held} of its pods, for "${holder.target.workload}" and ${describeMatch(holder.match)}.`,
    { hint: hintFor(target, match, holder) },
  )
}

function hintFor(target: BridgeTarget, match: Claim['match'], holder: Claim): string {
  if (!isSame(target, holder.target))
    return `Dispose of the first bridge, or name the workload and container as it does: "${holder.target.workload}".`
  if (match && holder.match)
    return 'A request could match both. Give a header, path or method a different exact text in each; two patterns cannot be checked for overlap.'
  return 'Dispose of the first bridge, give them different ports, or give both a `match` so that they can share the port.'
}
