import { selectorFits } from '../../kube/labels.ts'
import type { Pod } from '../../kube/types.ts'
import type { PodMatch } from './pod-match.ts'

/** Which pods a bridge means. */
export interface PodChoice {
  readonly match: PodMatch
  /** Of the pods, as their workload makes them. */
  readonly labels: Readonly<Record<string, string>>
  /** Those that are there at this moment and not on their way out. */
  pods(): readonly Pod[]
}

/** Whether two bridges would set rules in the same pods, also where one workload contains the other: a Service, a Deployment, a Pod of it. */
export function sharePods(a: PodChoice, b: PodChoice): boolean {
  const [pods, others] = [a.pods(), b.pods()]
  if (pods.length > 0 && others.length > 0) {
    const uids = new Set(others.map(({ metadata }) => metadata?.uid))
    return pods.some(({ metadata }) => uids.has(metadata?.uid))
  }
  return a.match.namespace === b.match.namespace && (contains(a, b) || contains(b, a))
}

function contains({ match }: PodChoice, other: PodChoice): boolean {
  if (!('lineage' in match)) return selectorFits(match.selector, other.labels)
  const [{ kind, name }] = match.lineage
  return 'lineage' in other.match && other.match.lineage.some((each) => each.kind === kind && each.name === name)
}
