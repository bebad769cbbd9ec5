import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { KubeClient } from './client.ts'
import { apiPath, describeObject, findKind, typed, workloadKinds } from './kinds.ts'
import { type WorkloadRef, isOf } from './lineage.ts'
import type { KubeObject } from './object.ts'
import type { KubeList, Pod } from './types.ts'

/**
 * Reads a workload as users write it: `deployment/orders`, `sts/postgres`, `pod/job-x`.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` when the text is not `kind/name`
 */
export function parseWorkload(text: string): WorkloadRef {
  const [kind = '', name = '', ...rest] = text.split('/')
  const known = workloadKinds.find((each) => each === findKind(kind))
  if (!known || !name || rest.length > 0) {
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected a workload as "kind/name", got "${text}".`, {
      hint: `Kinds are ${workloadKinds.join(', ').toLowerCase()}; for example "deployment/orders".`,
    })
  }
  return { kind: known, name }
}

/** @throws ClusterTestError `ERR_KUBE_NOT_FOUND` with the workloads that exist */
export async function readWorkload(client: KubeClient, namespace: string, text: string, signal?: AbortSignal): Promise<KubeObject> {
  const { kind, name } = parseWorkload(text)
  const { items } = await client.request<KubeList<KubeObject>>('GET', apiPath(kind, namespace), { signal })
  const objects = items.map((item) => typed(kind, item))
  const found = objects.find(({ metadata }) => metadata.name === name)
  if (found) return found
  throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `There is no ${kind} "${name}" in namespace "${namespace}".`, {
    hint: `It has ${formatList(objects.map(describeObject))}.`,
  })
}

/** The pods of a workload that are not on their way out, ready ones first. */
export async function listPods(client: KubeClient, namespace: string, workload: string, signal?: AbortSignal): Promise<readonly Pod[]> {
  const ref = parseWorkload(workload)
  await readWorkload(client, namespace, workload, signal)
  const { items } = await client.request<KubeList<Pod>>('GET', apiPath('Pod', namespace), { signal })
  return items
    .filter(({ metadata }) => !metadata?.deletionTimestamp && isOf({ kind: 'Pod', metadata }, ref))
    .toSorted((a, b) => Number(isPodReady(b)) - Number(isPodReady(a)))
}

export function isPodReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}
