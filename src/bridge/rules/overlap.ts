import type { Pod } from '../../kube/types.ts'
import type { PodMatch } from './node-scripts.ts'

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
  return (
    a.match.namespace === b.match.namespace &&
    namesMeet(a.match.name, b.match.name) &&
    (selects(a.match.labels, b.labels) || selects(b.match.labels, a.labels))
  )
}

/** Names are patterns that may end with a star. */
function namesMeet(a: string, b: string): boolean {
  const [start, other] = [a.replace(/\*$/, ''), b.replace(/\*$/, '')]
  return (a.endsWith('*') && other.startsWith(start)) || (b.endsWith('*') && start.startsWith(other)) || a === b
}

function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(selector)
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value)
}
