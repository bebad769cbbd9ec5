import type { WorkloadKind } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Pod } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { eventsOf } from './events-of.ts'
import { judgeDatabase } from './judge-database.ts'
import { judgeKind } from './judge-kinds.ts'
import { judgePod } from './judge-pod.ts'
import { judgeRefusals } from './judge-refusals.ts'
import { judgeRetries } from './judge-retries.ts'
import { podsOf } from './pods-of.ts'
import { type ClusterState, type Verdict, pending, ready } from './verdict.ts'

/**
 * Milliseconds that a container without a readiness probe must have been running: Kubernetes calls it ready at once, and many that
 * crash do so within this time. kubelet looks once a second for what has ended (genericPlegRelistPeriod, Kubernetes 1.36), and tells
 * it late on a busy machine.
 */
const settleTime = 2500

type Workload = KubeObject & { readonly kind: WorkloadKind }

/** How far an applied workload is, and what keeps it. What others may still do about it is not asked here. */
export function judgeWorkload(applied: Workload, state: ClusterState): Verdict {
  const object = state.objects.find((each): each is Workload => isSame(each, applied))
  if (!object) return judgeAbsent(applied, state)
  const pods = podsOf(object, state.pods)
  const own = judgeKind(object, pods)
  const isJob = object.kind === 'Job'
  const spoilt = isJob ? undefined : pods.flatMap(judgeDatabase)[0]
  if (spoilt) return spoilt
  const isSettled = own.state !== 'ready' || isJob || pods.every((pod) => hasSettled(pod, state))
  if (isSettled && (own.state === 'ready' || (own.state === 'failed' && own.needs === undefined))) return own

  const broken = [
    ...pods.flatMap((pod) => judgePod(pod, state, !isJob)),
    ...judgeRefusals(object, state),
    ...(isJob ? judgeRetries(object, pods) : []),
  ]
  const worst = broken.toSorted((a, b) => (a.grace ?? 0) - (b.grace ?? 0))[0]
  if (worst) return worst.images ? { ...worst, images: broken.flatMap(({ images = [] }) => images) } : worst
  if (own.state === 'ready') return pending('has just started')
  return { ...own, reason: [own.reason, ...pods.flatMap((pod) => describeWaiting(pod, state)).slice(0, 2)].join(', ') }
}

/** A Job that was complete stays complete, also when it was deleted since (`ttlSecondsAfterFinished`). */
function judgeAbsent(applied: Workload, { deleted, events }: ClusterState): Verdict {
  const gone = deleted.findLast((each): each is Workload => isSame(each, applied))
  const hasCompleted = applied.kind === 'Job' && eventsOf(applied, events).some(({ reason }) => reason === 'Completed')
  if (hasCompleted) return ready
  if (!gone) return { ...pending('not there yet'), isComing: true }
  const last = ['Job', 'Pod'].includes(gone.kind) ? judgeKind(gone, []) : pending('')
  if (last.state !== 'pending' && (gone.kind === 'Job' || hasSucceeded(gone))) return last
  return { state: 'failed', reason: 'was deleted after it was applied', needs: 'objects', grace: 10_000, cause: 'deleted' }
}

function hasSucceeded(pod: KubeObject): boolean {
  return (pod as unknown as Pod).status?.phase === 'Succeeded'
}

function isSame({ kind, metadata }: KubeObject, applied: KubeObject): boolean {
  return kind === applied.kind && metadata.name === applied.metadata.name && metadata.namespace === applied.metadata.namespace
}

function hasSettled(pod: Pod, { runningFor }: ClusterState): boolean {
  if (pod.status?.phase === 'Succeeded') return true
  const probed = new Set(pod.spec?.containers.filter(({ readinessProbe }) => readinessProbe).map(({ name }) => name))
  return (pod.status?.containerStatuses ?? []).every(
    ({ name, state, containerID = '' }) => probed.has(name) || (state?.running !== undefined && runningFor(containerID) >= settleTime),
  )
}

/** What a pod is about, in kubelet's words. */
function describeWaiting(pod: Pod, state: ClusterState): readonly string[] {
  const { initContainerStatuses = [], containerStatuses = [], phase } = pod.status ?? {}
  const { reason, message } = [...initContainerStatuses, ...containerStatuses].find((each) => each.state?.waiting)?.state?.waiting ?? {}
  const told = message ?? (reason === 'CrashLoopBackOff' || !isPodReady(pod) ? lastWords(pod, state) : undefined)
  const what = reason ?? (phase !== 'Running' ? phase : isPodReady(pod) ? undefined : 'running and not ready')
  return what ? [`pod "${pod.metadata?.name}": ${told ? `${what}: ${told}` : what}`] : []
}

/** The last warning about a pod, such as that of its probe; or what its readiness gates lack. */
function lastWords(pod: Pod, { events }: ClusterState): string | undefined {
  const last = eventsOf({ kind: 'Pod', metadata: pod.metadata }, events).find(({ type }) => type === 'Warning')
  const condition = pod.status?.conditions?.find(({ type, status }) => type === 'Ready' && status !== 'True')
  const gates = condition?.reason === 'ReadinessGatesNotReady' ? condition.message : undefined
  return gates ?? last?.message?.trim()
}
