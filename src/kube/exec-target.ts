import { ClusterTestError } from '../support/errors.ts'
import { containerOf } from './choose-container.ts'
import type { KubeClient } from './client.ts'
import type { ExecTarget } from './exec.ts'
import { listPods } from './workload.ts'

/**
 * The container that a workload's name means: in its first ready pod, the one that is wanted, annotated, or the first.
 * @throws ClusterTestError `ERR_KUBE_NOT_FOUND` with what exists
 */
export async function findExecTarget(
  kube: KubeClient,
  {
    namespace,
    workload,
    container: wanted,
  }: { readonly namespace: string; readonly workload: string; readonly container?: string | undefined },
): Promise<ExecTarget> {
  const [pod] = await listPods(kube, namespace, workload)
  if (!pod)
    throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `Workload "${workload}" has no pod.`, {
      hint: 'It may be scaled to zero, or its Job may not have started.',
    })
  return { namespace, pod: pod.metadata!.name!, container: containerOf(pod, { wanted, workload, code: 'ERR_KUBE_NOT_FOUND' }) }
}
