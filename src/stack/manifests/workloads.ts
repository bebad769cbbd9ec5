import { isServing } from '../../kube/kinds.ts'
import { selectorFits } from '../../kube/labels.ts'
import type { KubeObject } from '../../kube/object.ts'
import { podTemplate } from '../../kube/pod-template.ts'
import type { Service } from '../../kube/types.ts'

/** Whether a Service leads to the pods that a workload makes. */
export function selects({ metadata, spec }: Service, workload: KubeObject): boolean {
  return metadata?.namespace === workload.metadata.namespace && selectorFits(spec?.selector, podTemplate(workload)?.metadata?.labels)
}

/** Whether endpoints are to be expected: a Service without a selector has none of ours, nor one whose workloads are scaled to none. */
export function expectsEndpoints(service: Service, applied: readonly KubeObject[]): boolean {
  return applied.some((object) => isServing(object) && selects(service, object) && replicasOf(object) > 0)
}

function replicasOf(workload: KubeObject): number {
  return (workload as { spec?: { replicas?: number } }).spec?.replicas ?? 1
}
