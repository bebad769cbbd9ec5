import type { WorkloadKind } from '../../kube/kinds.ts'
import { isOf } from '../../kube/lineage.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Deployment, Pod, StatefulSet } from '../../kube/types.ts'

type Workload = KubeObject & { readonly kind: WorkloadKind }

/** The pods that a workload is made of now: its own, not on their way out, and of its current revision. */
export function podsOf(workload: Workload, pods: readonly Pod[]): readonly Pod[] {
  const { kind, metadata } = workload
  if (kind === 'Pod') return [workload]
  const { status = {} } = workload as unknown as { status?: { observedGeneration?: number } }
  if (kind !== 'Job' && status.observedGeneration !== metadata['generation']) return []
  const own = pods.filter((pod) => !pod.metadata?.deletionTimestamp && isOwnedBy(pod, workload) && (kind === 'Job' || !hasEnded(pod)))
  return ofCurrentRevision(workload, own)
}

/** Whether a pod is a workload's, of whatever revision. */
export function isOwnedBy(pod: Pod, { kind, metadata }: Workload): boolean {
  if (pod.metadata?.namespace !== metadata.namespace || !isOf({ kind: 'Pod', metadata: pod.metadata }, { kind, name: metadata.name }))
    return false
  // Of one that was there before under the same name.
  const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller)
  return kind === 'Deployment' || owner === undefined || metadata['uid'] === undefined || owner.uid === metadata['uid']
}

/** Evicted, refused by kubelet, or run to its end. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Failed' || status?.phase === 'Succeeded'
}

function ofCurrentRevision(workload: KubeObject, own: readonly Pod[]): readonly Pod[] {
  const { updateRevision, updatedReplicas } = (workload as unknown as StatefulSet & Deployment).status ?? {}
  if (workload.kind === 'StatefulSet')
    return own.filter(({ metadata }) => metadata?.labels?.['controller-revision-hash'] === updateRevision)
  if (workload.kind !== 'Deployment') return own
  // The ReplicaSet of the newest pod is the current one, unless the current one has no pod yet.
  const newest = own.toSorted((a, b) => createdAt(b).localeCompare(createdAt(a)))[0]?.metadata?.ownerReferences?.[0]?.uid
  return updatedReplicas ? own.filter(({ metadata }) => metadata?.ownerReferences?.[0]?.uid === newest) : []
}

/** The API server sends text, whatever client-node's type says. */
function createdAt({ metadata }: Pod): string {
  return String(metadata?.creationTimestamp ?? '')
}
