import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { KubeClient } from './client.ts'
import type { KubeList, KubeObject, Pod } from './types.ts'

/** A workload as users write it: `deployment/orders`, `sts/postgres`, `pod/job-x`. */
export interface WorkloadRef {
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'ReplicaSet' | 'Job' | 'Pod'
  readonly name: string
}

const kinds: Readonly<Record<string, WorkloadRef['kind']>> = {
  deployment: 'Deployment',
  deploy: 'Deployment',
  statefulset: 'StatefulSet',
  sts: 'StatefulSet',
  daemonset: 'DaemonSet',
  ds: 'DaemonSet',
  replicaset: 'ReplicaSet',
  rs: 'ReplicaSet',
  job: 'Job',
  pod: 'Pod',
  po: 'Pod',
}

const apiVersions: Readonly<Record<WorkloadRef['kind'], string>> = {
  Deployment: 'apps/v1',
  StatefulSet: 'apps/v1',
  DaemonSet: 'apps/v1',
  ReplicaSet: 'apps/v1',
  Job: 'batch/v1',
  Pod: 'v1',
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` when the text is not `kind/name` */
export function parseWorkload(text: string): WorkloadRef {
  const [kind = '', name = '', ...rest] = text.split('/')
  const known = kinds[kind.toLowerCase()] ?? kinds[kind.toLowerCase().replace(/s$/, '')]
  if (!known || !name || rest.length > 0) {
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected a workload as "kind/name", got "${text}".`, {
      hint: `Kinds are deployment, statefulset, daemonset, replicaset, job and pod, for example "deployment/orders".`,
    })
  }
  return { kind: known, name }
}

/** @throws ClusterTestError `ERR_KUBE_NOT_FOUND` with the workloads that exist */
export async function readWorkload(client: KubeClient, namespace: string, text: string, signal?: AbortSignal): Promise<KubeObject> {
  const { kind, name } = parseWorkload(text)
  const resource = await client.resource(apiVersions[kind], kind, signal)
  const { items } = await client.request<KubeList<KubeObject>>('GET', resource!.path(namespace), { signal })
  const found = items.find(({ metadata }) => metadata.name === name)
  if (found) return { ...found, apiVersion: apiVersions[kind], kind }
  throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `There is no ${kind} "${name}" in namespace "${namespace}".`, {
    hint: `It has ${formatList(items.map(({ metadata }) => `${kind.toLowerCase()}/${metadata.name}`))}.`,
  })
}

/** The pods of a workload that are not on their way out, ready ones first. */
export async function listPods(client: KubeClient, namespace: string, workload: string, signal?: AbortSignal): Promise<readonly Pod[]> {
  const object = await readWorkload(client, namespace, workload, signal)
  if (object.kind === 'Pod') return [object]
  const selector = (object as { spec?: { selector?: LabelSelector } }).spec?.selector
  const { items } = await client.request<KubeList<Pod>>('GET', `/api/v1/namespaces/${namespace}/pods`, {
    query: { labelSelector: formatSelector(selector) },
    signal,
  })
  return items.filter(({ metadata }) => !metadata?.deletionTimestamp).toSorted((a, b) => Number(isPodReady(b)) - Number(isPodReady(a)))
}

export function isPodReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[]
}

function formatSelector({ matchLabels, matchExpressions }: LabelSelector = {}): string {
  const words = Object.entries(matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  for (const { key, operator, values = [] } of matchExpressions ?? []) {
    if (operator === 'Exists') words.push(key)
    else if (operator === 'DoesNotExist') words.push(`!${key}`)
    else words.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`)
  }
  return words.join(',')
}
