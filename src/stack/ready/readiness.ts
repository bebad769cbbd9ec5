import { type WorkloadKind, describeObject, isWorkload, kindOf, typed } from '../../kube/kinds.ts'
import { isInNamespaces } from '../../kube/namespaces.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Pod, Service } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { type ClusterTestError, withoutHint } from '../../support/errors.ts'
import type { Refused } from '../manifests/refused.ts'
import { judgePod } from './judge-pod.ts'
import { judgeWorkload } from './judge-workload.ts'
import { type Work, findStuck, isController } from './may-help.ts'
import { hasEnded, isOwnedBy } from './pods-of.ts'
import type { Needs } from './reasons.ts'
import { isCustom, judgeService } from './service-readiness.ts'
import { type ClusterState, type Judged, type Verdict, pending } from './verdict.ts'

export interface Surroundings {
  /** What goes on besides. @default nothing */
  readonly work?: readonly Work[] | undefined
  /** What the API server has not taken yet. @default nothing */
  readonly refused?: readonly Refused[]
  /** Where pods may be that nobody applied. @default all */
  readonly namespaces?: readonly string[] | undefined
}

/** Judges every object that has a readiness of its own; others (ConfigMaps, Secrets …) are ready once applied. */
export function judgeReadiness(
  applied: readonly KubeObject[],
  state: ClusterState,
  { work = [], refused = [], namespaces }: Surroundings = {},
): readonly Judged[] {
  const workloads = applied.filter(isWorkload)
  const judged = [
    ...refused.map(({ manifest, error, needs }) => ({ object: manifest.object, verdict: judgeRefused(error, needs) })),
    ...workloads.map((object) => ({ object, verdict: judgeWorkload(object, state) })),
  ]
  const strangers = strangersOf(workloads, state, namespaces)
  /** Another test of the suite may try what fails, in the same namespace and at the same time. */
  const failing = new Set(strangers.filter(({ verdict }) => verdict.state === 'failed').map(({ object }) => object as KubeObject))
  const unready = [...judged, ...strangers]
    .filter(({ verdict }) => verdict.state !== 'ready')
    .map(({ object, verdict }) => ({
      object,
      isComing: verdict.isComing === true,
      needs: verdict.state === 'failed' ? verdict.needs : undefined,
      isHopeless: isHopeless(verdict) || (failing.has(object) && verdict.needs === undefined),
    }))
  const stuck = new Set(state.facts && findStuck(unready, work, state.facts).map(({ object }) => object))
  const hasNeighbours = (object: KubeObject) =>
    unready.some((other) => other.object !== object && !other.isHopeless && !failing.has(other.object) && !isSystem(other.object)) ||
    work.some(({ after }) => !after.includes(object))
  const isReady = judged.every(({ verdict }) => verdict.state === 'ready')
  return [
    ...judged.map(({ object, verdict }) => ({
      target: describeObject(object),
      namespace: object.metadata.namespace ?? 'default',
      ...settle(
        verdict,
        { isStuck: stuck.has(object), isLast: !hasNeighbours(object), reaction: reactionTime(object, applied, state) },
        state,
      ),
    })),
    ...applied
      .filter((object) => kindOf(object) === 'Service')
      .map((object) => judgeService(object as unknown as Service, applied, state, isReady)),
  ]
}

function isSystem({ metadata }: KubeObject): boolean {
  return metadata.namespace === 'kube-system'
}

/** Milliseconds for what the API server has not heard of yet: its discovery follows a moment later. */
const refusalTime = 2000

function judgeRefused(error: ClusterTestError, needs: Needs): Verdict {
  return { state: 'failed', reason: withoutHint(error), needs, grace: refusalTime, cause: 'refused', error }
}

interface Situation {
  readonly isStuck: boolean
  /** Whether nothing else is still starting. */
  readonly isLast: boolean
  /** Milliseconds that an operator may take to make what is missing. */
  readonly reaction: number
}

/** Whether a failure is final, by what the others do. */
function settle(verdict: Verdict, { isStuck, isLast, reaction }: Situation, { facts }: ClusterState): Verdict {
  const { needs, crashes, missing, images, grace = 0 } = verdict
  if (verdict.state !== 'failed') return verdict
  if (crashes !== undefined) return isFinalCrash(crashes, isLast) ? verdict : { ...verdict, state: 'pending' }
  if (images && needs === undefined) return isLast ? verdict : { ...verdict, grace: Math.max(grace, pullTime) }
  if (needs === undefined) return verdict
  if (missing && facts?.isPresent(missing)) return pending(`${verdict.reason} (it is there by now, and is looked for again)`)
  if (!isStuck) return { ...verdict, state: 'pending' }
  return needs === 'objects' ? { ...verdict, grace: Math.max(grace, reaction) } : verdict
}

/** Of a pod, say, whose image is not there. */
function isHopeless({ state, needs, crashes = Infinity }: Verdict): boolean {
  return state === 'failed' && needs === undefined && isFinalCrash(crashes, false)
}

/** Alone, the first crash is final. While others are still starting, the fourth: that is after about a minute (back-off of 10, 20 and 40 s). */
function isFinalCrash(crashes: number, isLast: boolean): boolean {
  return crashes >= (isLast ? 1 : 4)
}

/** Milliseconds for the images of others to be tried: kubelet pulls one after the other. All that are absent are told at once. */
const pullTime = 5000

/** Milliseconds for an operator that is ready: some elect a leader first. Later on, it only has to see what was applied. */
const reactionTimes = { fresh: 30_000, settled: 10_000 }

function reactionTime({ metadata }: KubeObject, applied: readonly KubeObject[], { pods, facts, now }: ClusterState): number {
  const { namespace = 'default' } = metadata
  const operators = pods.filter(
    (pod) => isInNamespaces(pod, undefined) && isPodReady(pod) && facts && isController(typed('Pod', pod), namespace, facts),
  )
  if (operators.length === 0) return 0
  const isFresh = operators.some((pod) => now - readySince(pod) < reactionTimes.fresh) || applied.some(isCustom)
  return isFresh ? reactionTimes.fresh : reactionTimes.settled
}

/** Milliseconds that a pod which nobody applied counts as starting. */
const startTime = 180_000

/** The API server sends text, whatever client-node's type says. */
function readySince({ status }: Pod): number {
  return Date.parse(String(status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime))
}

interface Stranger {
  readonly object: Workload
  readonly verdict: Verdict
}

type Workload = KubeObject & { readonly kind: WorkloadKind }

/**
 * Pods that are not ready and belong to nothing that was applied: an operator's, or the cluster's own. Those of other namespaces count
 * only where they may write to these. One that has not become ready for minutes is not starting any more.
 */
function strangersOf(workloads: readonly Workload[], state: ClusterState, namespaces: readonly string[] | undefined): readonly Stranger[] {
  const own = [...new Set(workloads.map(({ metadata }) => metadata.namespace ?? 'default'))]
  const isNear = (pod: Pod) => {
    if ([...own, 'kube-system'].includes(pod.metadata?.namespace ?? '')) return true
    return isInNamespaces(pod, namespaces) && own.some((each) => state.facts && isController(typed('Pod', pod), each, state.facts))
  }
  return state.pods
    .filter(({ metadata }) => !(state.now - Date.parse(String(metadata?.creationTimestamp)) > startTime))
    .filter((pod) => !isPodReady(pod) && !hasEnded(pod) && !pod.metadata?.deletionTimestamp && isNear(pod))
    .filter((pod) => !workloads.some((workload) => isOwnedBy(pod, workload)))
    .map((pod) => ({ object: typed('Pod', pod) as Workload, verdict: judgePod(pod, state, true)[0] ?? pending('not ready') }))
}
