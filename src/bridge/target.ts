import type { KubeClient } from '../kube/client.ts'
import type { KubeList, Pod, Service } from '../kube/types.ts'
import { listPods, parseWorkload, readWorkload } from '../kube/workload.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { PodMatch } from './node-scripts.ts'
import { type ContainerPort, listPorts } from './ports.ts'

type PodSpec = NonNullable<Pod['spec']>

/** What is replaced: one container in all pods of a workload. */
export interface BridgeTarget {
  /** As the user wrote it. */
  readonly workload: string
  readonly namespace: string
  readonly container: PodSpec['containers'][number]
  readonly ports: readonly ContainerPort[]
  readonly match: PodMatch
  owns(pod: Pod): boolean
  /** Those that are not on their way out. */
  listPods(signal: AbortSignal): Promise<readonly Pod[]>
}

export interface TargetOptions {
  readonly kube: KubeClient
  readonly namespace: string
  readonly workload: string
  /** @default the only one, or the one with ports */
  readonly container?: string | undefined
  readonly signal: AbortSignal
}

/** @throws ClusterTestError `ERR_KUBE_NOT_FOUND`, `ERR_BRIDGE_CONTAINER_NOT_FOUND`, `ERR_BRIDGE_HOST_NETWORK`, `ERR_BRIDGE_NO_PODS` */
export async function findTarget({ kube, namespace, workload, container: wanted, signal }: TargetOptions): Promise<BridgeTarget> {
  const found = /^(?:service|svc)\//.test(workload)
    ? await readService(kube, namespace, workload, signal)
    : await readTemplate(kube, namespace, workload, signal)
  const { labels, spec, selector, name } = found
  if (spec.hostNetwork)
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_NETWORK',
      `The pods of "${workload}" use the network of their node (hostNetwork), so there is no namespace of their own to set rules in.`,
      {
        hint: 'Leave hostNetwork out of the manifest that the suite applies.',
      },
    )
  const services = await listServicesFor(kube, namespace, labels, signal)
  const container = chooseContainer(spec.containers, wanted, workload)
  return {
    workload,
    namespace,
    container,
    ports: listPorts(container, spec.containers, services),
    match: { namespace, name, labels: selector },
    owns: (pod) =>
      (name.endsWith('*') ? pod.metadata!.name!.startsWith(name.slice(0, -1)) : pod.metadata!.name === name) &&
      Object.entries(selector).every(([key, value]) => pod.metadata?.labels?.[key] === value),
    listPods: (abort) => found.list(abort),
  }
}

interface Template {
  readonly labels: Readonly<Record<string, string>>
  readonly spec: PodSpec
  readonly selector: Readonly<Record<string, string>>
  /** Pattern of the pods' names. */
  readonly name: string
  list(signal: AbortSignal): Promise<readonly Pod[]>
}

async function readTemplate(kube: KubeClient, namespace: string, workload: string, signal: AbortSignal): Promise<Template> {
  const { kind, name } = parseWorkload(workload)
  const object = (await readWorkload(kube, namespace, workload, signal)) as unknown as {
    metadata: { labels?: Record<string, string> }
    spec: PodSpec & {
      template: { metadata?: { labels?: Record<string, string> }; spec: PodSpec }
      selector?: { matchLabels?: Record<string, string> }
    }
  }
  const list = (abort: AbortSignal) => listPods(kube, namespace, workload, abort)
  if (kind === 'Pod') return { labels: object.metadata.labels ?? {}, spec: object.spec, selector: {}, name, list }
  const { template, selector } = object.spec
  return { labels: template.metadata?.labels ?? {}, spec: template.spec, selector: selector?.matchLabels ?? {}, name: `${name}-*`, list }
}

/** A Service stands for the pods that it selects, whoever made them. */
async function readService(kube: KubeClient, namespace: string, workload: string, signal: AbortSignal): Promise<Template> {
  const name = workload.slice(workload.indexOf('/') + 1)
  const { items } = await kube.request<KubeList<Service>>('GET', `/api/v1/namespaces/${namespace}/services`, { signal })
  const selector = items.find(({ metadata }) => metadata?.name === name)?.spec?.selector
  if (!selector)
    throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `There is no Service "${name}" with a selector in namespace "${namespace}".`, {
      hint: `It has ${formatList(items.filter(({ spec }) => spec?.selector).map(({ metadata }) => `service/${metadata!.name}`))}.`,
    })
  const list = async (abort: AbortSignal) => {
    const labelSelector = Object.entries(selector)
      .map(([key, value]) => `${key}=${value}`)
      .join(',')
    const pods = await kube.request<KubeList<Pod>>('GET', `/api/v1/namespaces/${namespace}/pods`, {
      query: { labelSelector },
      signal: abort,
    })
    return pods.items.filter(({ metadata }) => !metadata?.deletionTimestamp)
  }
  const [pod] = await list(signal)
  if (!pod)
    throw new ClusterTestError('ERR_BRIDGE_NO_PODS', `Service "${name}" selects no pod, so nothing says what its containers are.`, {
      hint: 'Bridge the workload itself, such as "deployment/…": that works without any pod.',
    })
  return { labels: pod.metadata?.labels ?? {}, spec: pod.spec!, selector, name: '*', list }
}

async function listServicesFor(
  kube: KubeClient,
  namespace: string,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly Service[]> {
  const { items } = await kube.request<KubeList<Service>>('GET', `/api/v1/namespaces/${namespace}/services`, { signal })
  return items.filter(({ spec }) => {
    const selector = Object.entries(spec?.selector ?? {})
    return selector.length > 0 && selector.every(([key, value]) => labels[key] === value)
  })
}

function chooseContainer(containers: PodSpec['containers'], wanted: string | undefined, workload: string): PodSpec['containers'][number] {
  const names = formatList(containers.map(({ name }) => name))
  if (wanted !== undefined) {
    const found = containers.find(({ name }) => name === wanted)
    if (found) return found
    throw new ClusterTestError('ERR_BRIDGE_CONTAINER_NOT_FOUND', `Workload "${workload}" has no container "${wanted}".`, {
      hint: `It has ${names}.`,
    })
  }
  const withPorts = containers.filter(({ ports = [] }) => ports.length > 0)
  const candidates = containers.length === 1 ? containers : withPorts
  if (candidates.length === 1) return candidates[0]!
  throw new ClusterTestError(
    'ERR_BRIDGE_CONTAINER_NOT_FOUND',
    `Workload "${workload}" has several containers, and nothing says which one to replace.`,
    {
      hint: `Set containerName to ${names}.`,
    },
  )
}
