import { type WorkloadKind, describeObject, isWorkload, kindOf, typed } from '../../kube/kinds.ts'
import { type Namespaced, isInNamespaces } from '../../kube/namespaces.ts'
import type { KubeObject, Pod, Service } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { judgePod } from './judge-pod.ts'
import { judgeWorkload } from './judge-workload.ts'
import { type Work, findStuck, isController } from './may-help.ts'
import { hasEnded, isOwnedBy } from './pods-of.ts'
import { judgeService } from './service-readiness.ts'
import { type ClusterState, type Judged, type Verdict, pending } from './verdict.ts'

export interface Surroundings {
  /** What goes on besides. @default nothing */
  readonly work?: readonly Work[] | undefined
  /** Where pods may be that nobody applied. @default all */
  readonly namespaces?: readonly string[] | undefined
}

/** Judges every object that has a readiness of its own; others (ConfigMaps, Secrets …) are ready once applied. */
export function judgeReadiness(
  applied: readonly KubeObject[],
  state: ClusterState,
  { work = [], namespaces }: Surroundings = {},
): readonly Judged[] {
  const workloads = applied.filter(isWorkload)
  const judged = workloads.map((object) => ({ object, verdict: judgeWorkload(object, state) }))
  const strangers = strangersOf(workloads, state, namespaces)
  const unready = [...judged, ...strangers]
    .filter(({ verdict }) => verdict.state !== 'ready')
    .map(({ object, verdict }) => ({
      object,
      isComing: verdict.isComing === true,
      needs: verdict.state === 'failed' ? verdict.needs : undefined,
    }))
  const stuck = new Set(state.facts && findStuck(unready, work, state.facts).map(({ object }) => object))
  const hasNeighbours = (object: KubeObject) =>
    unready.some((other) => other.object !== object && other.object.metadata.namespace !== 'kube-system') ||
    work.some(({ after }) => !after.includes(object))
  const isReady = judged.every(({ verdict }) => verdict.state === 'ready')
  return [
    ...judged.map(({ object, verdict }) => ({
      target: describeObject(object),
      namespace: object.metadata.namespace ?? 'default',
      ...settle(verdict, { isStuck: stuck.has(object), isLast: !hasNeighbours(object), state }),
    })),
    ...applied
      .filter((object) => kindOf(object) === 'Service')
      .map((object) => judgeService(object as unknown as Service, applied, state, isReady)),
  ]
}

interface Situation {
  readonly isStuck: boolean
  /** Whether nothing else is still starting. */
  readonly isLast: boolean
  readonly state: ClusterState
}

/** Whether a failure is final, by what the others do. */
function settle(verdict: Verdict, { isStuck, isLast, state }: Situation): Verdict {
  const { needs, crashes, missing, images, grace = 0 } = verdict
  if (verdict.state !== 'failed') return verdict
  if (images && needs === undefined) return isLast ? verdict : { ...verdict, grace: Math.max(grace, pullTime) }
  if (crashes !== undefined) return isFinalCrash(crashes, isLast) ? verdict : { ...verdict, state: 'pending' }
  if (needs === undefined) return verdict
  if (missing && state.facts?.isPresent(missing)) return pending(`${verdict.reason} (it is there by now, and is looked for again)`)
  if (!isStuck) return { ...verdict, state: 'pending' }
  return needs === 'objects' && hasControllers(state) ? { ...verdict, grace: Math.max(grace, reactionTime) } : verdict
}

/** Alone, the first crash is final. While others are still starting, the fourth: that is after about a minute (back-off of 10, 20 and 40 s). */
function isFinalCrash(crashes: number, isLast: boolean): boolean {
  return crashes >= (isLast ? 1 : 4)
}

/** Milliseconds for the images of others to be tried: kubelet pulls one after the other. All that are absent are told at once. */
const pullTime = 5000

/** Milliseconds for an operator that is ready to make what somebody lacks. */
const reactionTime = 30_000

function hasControllers({ pods, facts }: ClusterState): boolean {
  return pods.some((pod) => isInNamespaces(pod, undefined) && isPodReady(pod) && isController(typed('Pod', pod), facts!))
}

interface Stranger {
  readonly object: Workload
  readonly verdict: Verdict
}

type Workload = KubeObject & { readonly kind: WorkloadKind }

/** Pods that are not ready and belong to nothing that was applied: an operator's, or the cluster's own. */
function strangersOf(workloads: readonly Workload[], state: ClusterState, namespaces: readonly string[] | undefined): readonly Stranger[] {
  const isNear = (pod: Namespaced) => pod.metadata?.namespace === 'kube-system' || isInNamespaces(pod, namespaces)
  return state.pods
    .filter((pod) => isNear(pod) && !isPodReady(pod) && !hasEnded(pod) && !pod.metadata?.deletionTimestamp)
    .filter((pod) => !workloads.some((workload) => isOwnedBy(pod, workload)))
    .map((pod) => ({ object: typed('Pod', pod) as Workload, verdict: verdictOf(pod, state) }))
}

function verdictOf(pod: Pod, state: ClusterState): Verdict {
  return judgePod(pod, state, true)[0] ?? pending('not ready')
}
