import { type WorkloadKind, isWorkload } from './kinds.ts'

/** A workload as Kubernetes names it, in some namespace. */
export interface WorkloadRef {
  readonly kind: WorkloadKind
  readonly name: string
}

interface Owned {
  readonly kind: WorkloadKind
  readonly metadata?:
    | {
        readonly name?: string
        readonly labels?: Readonly<Record<string, string>>
        readonly ownerReferences?: readonly OwnerReference[]
      }
    | undefined
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly controller?: boolean
}

/**
 * The workloads that an object belongs to, itself first: a Pod, its ReplicaSet, its Deployment. By owner references alone: labels
 * may fit several selectors. A Deployment names its ReplicaSets by its own name and `pod-template-hash`, which the pods have too
 * (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label).
 */
export function lineageOf({ kind, metadata }: Owned): readonly [WorkloadRef, ...WorkloadRef[]] {
  const self = { kind, name: metadata?.name ?? '' }
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
  if (!owner || !isWorkload(owner)) return [self]
  const { name } = owner
  const suffix = `-${metadata?.labels?.['pod-template-hash']}`
  const isOfDeployment = kind === 'Pod' && owner.kind === 'ReplicaSet' && name.endsWith(suffix)
  const deployment = { kind: 'Deployment', name: name.slice(0, -suffix.length) } as const
  return [self, { kind: owner.kind, name }, ...(isOfDeployment ? [deployment] : [])]
}

/** Whether an object is a workload, or of it. */
export function isOf(object: Owned, { kind, name }: WorkloadRef): boolean {
  return lineageOf(object).some((each) => each.kind === kind && each.name === name)
}
