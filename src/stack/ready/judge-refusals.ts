import type { WorkloadKind } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Pod } from '../../kube/types.ts'
import { counted } from '../../support/format.ts'
import { eventsOf } from './events-of.ts'
import { missingOf } from './missing.ts'
import { isOwnedBy } from './pods-of.ts'
import { ruleFor } from './reasons.ts'
import { type ClusterState, type Verdict, failedBy } from './verdict.ts'

type Workload = KubeObject & { readonly kind: WorkloadKind }

/** Pods that a workload does not get: refused by the API server, or by kubelet again and again. */
export function judgeRefusals(workload: Workload, state: ClusterState): readonly Verdict[] {
  return [...judgeCreation(workload, state), ...judgeRejections(workload, state)].slice(0, 1)
}

/** The last event about its pods: one that has got a pod meanwhile is not refused any more. */
function judgeCreation(workload: Workload, { events }: ClusterState): readonly Verdict[] {
  const last = eventsOf(workload, events).find(({ reason = '' }) => aboutPods.has(reason))
  const condition = conditionOf(workload)
  const { reason = '', message = '' } = condition ?? last ?? {}
  return failedBy(ruleFor(condition ? 'condition' : 'event', reason, message), {
    reason: `its pods are refused: ${message.trim() || reason}`,
    cause: `refused ${reason}`,
    missing: missingOf(message, workload.metadata.namespace ?? 'default'),
  })
}

const aboutPods = new Set(['FailedCreate', 'SuccessfulCreate', 'SelectingAll', 'ConflictingController', 'UnknownCompletionMode'])

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

/** Of a Deployment, whose ReplicaSet the events are about. */
function conditionOf({ kind, ...rest }: Workload): Condition | undefined {
  if (kind !== 'Deployment') return undefined
  const { conditions = [] } = (rest as { status?: { conditions?: readonly Condition[] } }).status ?? {}
  return (
    conditions.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True') ??
    conditions.find(({ type, status, reason }) => type === 'Progressing' && status === 'False' && reason === 'ReplicaSetCreateError')
  )
}

/** Three pods in a row: kubelet refuses some for a moment after a node's restart. */
const enough = 3

function judgeRejections(workload: Workload, { pods, deleted }: ClusterState): readonly Verdict[] {
  if (workload.kind === 'Pod' || workload.kind === 'Job') return []
  const gone = deleted.filter(({ kind }) => kind === 'Pod') as unknown as Pod[]
  const own = [...pods, ...gone].filter((pod) => isOwnedBy(pod, workload))
  const rejected = own.filter(({ status }) => status?.phase === 'Failed' && ruleFor('pod', status.reason ?? '').verdict !== 'wait')
  const { reason = '', message = '' } = rejected.at(-1)?.status ?? {}
  if (rejected.length < enough || own.some(({ status }) => status?.phase === 'Running')) return []
  return failedBy(ruleFor('pod', reason, message), {
    reason: `kubelet refuses its pods: ${message || reason} (${reason}, ${counted(rejected.length, 'pod')})`,
    cause: `rejected ${reason}`,
  })
}
