import type { WorkloadKind } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { describeEnd } from './judge-containers.ts'
import { describeFailure } from './judge-retries.ts'
import { ruleFor } from './reasons.ts'
import { type Verdict, failedBy, pending, ready } from './verdict.ts'

/** How far a workload is by its own status. `pods` are its own. */
export function judgeKind(object: KubeObject & { readonly kind: WorkloadKind }, pods: readonly Pod[]): Verdict {
  return judges[object.kind](object, pods)
}

const judges: Readonly<Record<WorkloadKind, (object: KubeObject, pods: readonly Pod[]) => Verdict>> = {
  Deployment: judgeDeployment,
  StatefulSet(object) {
    const { metadata, spec, status } = object as unknown as StatefulSet
    const wanted = spec?.replicas ?? 1
    if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return pending('not seen by the controller yet')
    const count = status?.readyReplicas ?? 0
    const isCurrent =
      spec?.updateStrategy?.type === 'OnDelete' || status?.updateRevision === status?.currentRevision || status?.updatedReplicas === wanted
    return count >= wanted && isCurrent ? ready : pending(`${count} of ${wanted} pods ready`)
  },
  DaemonSet(object) {
    const { metadata, status } = object as unknown as DaemonSet
    if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return pending('not seen by the controller yet')
    const wanted = status?.desiredNumberScheduled ?? 0
    const count = Math.min(status?.numberReady ?? 0, status?.updatedNumberScheduled ?? 0)
    return count >= wanted ? ready : pending(`${count} of ${wanted} pods ready`)
  },
  ReplicaSet: judgeReplicas,
  ReplicationController: judgeReplicas,
  Job: judgeJob,
  Pod: judgeBarePod,
}

function judgeDeployment(object: KubeObject): Verdict {
  const { metadata, spec, status } = object as unknown as Deployment
  const wanted = spec?.replicas ?? 1
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return pending('not seen by the controller yet')
  const available = status?.availableReplicas ?? 0
  const isCurrent = (status?.updatedReplicas ?? 0) >= wanted && (status?.replicas ?? 0) <= wanted
  if (isCurrent && available >= wanted) return ready
  const count = `${available} of ${wanted} pods ready`
  if (spec?.paused && (status?.updatedReplicas ?? 0) < wanted) {
    const hint = 'Leave `paused` out: nothing rolls out a paused Deployment.'
    return failedBy(ruleFor('condition', 'DeploymentPaused'), { reason: `${count}: it is paused (spec.paused)`, hint, cause: 'paused' })[0]!
  }
  const stuck = status?.conditions?.find(({ type, status: is }) => type === 'Progressing' && is === 'False')
  const [late] = failedBy(ruleFor('condition', stuck?.reason ?? '', stuck?.message), {
    reason: `${count}: ${stuck?.message} (progressDeadlineSeconds is ${spec?.progressDeadlineSeconds})`,
    cause: 'progress',
  })
  return (stuck?.reason === 'ProgressDeadlineExceeded' ? late : undefined) ?? pending(`${count}${isCurrent ? '' : ', rolling out'}`)
}

function judgeReplicas(object: KubeObject): Verdict {
  const { spec, status } = object as unknown as ReplicaSet
  const wanted = spec?.replicas ?? 1
  return (status?.readyReplicas ?? 0) >= wanted ? ready : pending(`${status?.readyReplicas ?? 0} of ${wanted} pods ready`)
}

function judgeJob(object: KubeObject, pods: readonly Pod[]): Verdict {
  const { spec, status } = object as unknown as Job
  const is = (type: string) => status?.conditions?.find((condition) => condition.type === type && condition.status === 'True')
  if (is('Complete') || spec?.suspend) return ready
  // The target is said at once, the failure itself only when its pods have ended.
  const failed = is('Failed') ?? is('FailureTarget')
  if (!failed) return pending(`${status?.succeeded ?? 0} of ${spec?.completions ?? 1} completions`)
  const end = describeFailure(pods)
  return {
    state: 'failed',
    reason: `the Job failed: ${failed.message ?? failed.reason}${end ? `: ${end.reason}` : ''}`,
    ...(end?.pod && { pod: end.pod }),
  }
}

function judgeBarePod(object: KubeObject): Verdict {
  const pod = object as unknown as Pod
  if (pod.status?.phase === 'Succeeded' || isPodReady(pod)) return ready
  if (pod.status?.phase !== 'Failed') return pending('not ready')
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status
  const container = [...initContainerStatuses, ...containerStatuses].find(
    ({ state }) => state?.terminated && state.terminated.exitCode !== 0,
  )
  const exit = container?.state?.terminated
  return {
    state: 'failed',
    reason: exit
      ? `container "${container.name}" ${describeEnd(exit)}`
      : `the pod failed: ${pod.status.message ?? pod.status.reason ?? 'no reason given'}`,
    ...(container && { pod: { name: pod.metadata!.name!, container: container.name } }),
  }
}
