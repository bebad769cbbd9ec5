import type { Cluster } from '../../cluster/cluster.ts'
import { chooseContainer } from '../../kube/choose-container.ts'
import type { KubeClient } from '../../kube/client.ts'
import { type Labels, selectorFits } from '../../kube/labels.ts'
import { lineageOf } from '../../kube/lineage.ts'
import { podTemplate } from '../../kube/pod-template.ts'
import type { KubeList, Pod, Service } from '../../kube/types.ts'
import { watchList } from '../../kube/watch-list.ts'
import { parseWorkload, readWorkload } from '../../kube/workload.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import type { PodChoice } from './overlap.ts'
import { type PodMatch, isMatch } from './pod-match.ts'
import { type ContainerPort, listPorts } from './ports.ts'

type PodSpec = NonNullable<Pod['spec']>

/** What is replaced: one container in all pods of a workload. */
export interface BridgeTarget extends PodChoice, Pick<Cluster, 'nodes'>, Disposable {
  /** As the user wrote it. */
  readonly workload: string
  readonly namespace: string
  readonly container: PodSpec['containers'][number]
  readonly ports: readonly ContainerPort[]
  /** Of the workload's pods. */
  readonly spec: PodSpec
  /** With those on their way out, to which requests may still come. */
  allPods(): readonly Pod[]
  /** Calls back whenever the pods of the namespace change, until it is disposed. */
  onChange(listener: () => void): Disposable
}

export interface TargetOptions {
  readonly cluster: Pick<Cluster, 'kube' | 'nodes'>
  readonly namespace: string
  readonly workload: string
  /** @default the annotated one, the only one, or the only one with ports */
  readonly container?: string | undefined
  readonly signal: AbortSignal
}

/** @throws ClusterTestError `ERR_KUBE_NOT_FOUND`, `ERR_BRIDGE_CONTAINER_NOT_FOUND`, `ERR_BRIDGE_HOST_NETWORK`, `ERR_BRIDGE_NO_PODS` */
export async function findTarget({ cluster, namespace, workload, container: wanted, signal }: TargetOptions): Promise<BridgeTarget> {
  const { kube, nodes } = cluster
  const listeners = new Set<() => void>()
  const stop = new AbortController()
  const name = /^(?:service|svc)\/(.+)$/.exec(workload)?.[1]
  const [template, services, watched] = await Promise.allSettled([
    name ? undefined : readTemplate(kube, namespace, workload, signal),
    kube.request<KubeList<Service>>('GET', `/api/v1/namespaces/${namespace}/services`, { signal }),
    watchList<Pod & { metadata: { uid: string } }>(kube, `/api/v1/namespaces/${namespace}/pods`, {
      onChange: () => listeners.forEach((listener) => listener()),
      signal: stop.signal,
    }),
  ])
  using cleanup = new DisposableStack()
  cleanup.defer(() => stop.abort(new Error('The bridge has ended.')))
  const pods = cleanup.use(valueOf(watched))
  const known = valueOf(services).items
  const {
    metadata: { labels = {}, annotations } = {},
    spec,
    match,
  } = valueOf(template) ?? templateOfService(namespace, name!, known, pods.items)
  if (spec.hostNetwork)
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_NETWORK',
      `The pods of "${workload}" use their node's network (hostNetwork), so they have no network namespace to set rules in.`,
      { hint: 'Remove hostNetwork from the manifest that the suite applies.' },
    )
  const container = chooseBridged(spec.containers, annotations, wanted, workload)
  const allPods = () => pods.items.filter((pod) => isMatch(match, pod))
  const owned = cleanup.move()
  return {
    nodes,
    workload,
    namespace,
    container,
    spec,
    ports: listPorts(
      container,
      spec.containers,
      known.filter((service) => selectorFits(service.spec?.selector, labels)),
    ),
    match,
    labels,
    allPods,
    pods: () => allPods().filter(({ metadata }) => !metadata.deletionTimestamp),
    onChange(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
    [Symbol.dispose]: () => owned.dispose(),
  }
}

/** All three are waited for, so that none is left behind when another fails. */
function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

interface Template {
  readonly metadata: Pod['metadata']
  readonly spec: PodSpec
  readonly match: PodMatch
}

async function readTemplate(kube: KubeClient, namespace: string, workload: string, signal: AbortSignal): Promise<Template> {
  const { kind } = parseWorkload(workload)
  const object = await readWorkload(kube, namespace, workload, signal)
  const { metadata, spec } = podTemplate(object) as Pod
  return { metadata, spec: spec!, match: { namespace, lineage: lineageOf({ kind, metadata: object.metadata }) } }
}

/** A Service stands for the pods that it selects, whoever made them. */
function templateOfService(namespace: string, name: string, services: readonly Service[], pods: readonly Pod[]): Template {
  const selector = services.find(({ metadata }) => metadata?.name === name)?.spec?.selector
  if (!selector)
    throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `There is no Service "${name}" with a selector in namespace "${namespace}".`, {
      hint: `It has ${formatList(services.filter(({ spec }) => spec?.selector).map(({ metadata }) => `service/${metadata!.name}`))}.`,
    })
  const pod = pods.find(({ metadata }) => selectorFits(selector, metadata?.labels))
  if (!pod)
    throw new ClusterTestError('ERR_BRIDGE_NO_PODS', `Service "${name}" selects no pods, so its containers are unknown.`, {
      hint: 'Bridge the workload itself, such as "deployment/…": that works without pods.',
    })
  return { metadata: pod.metadata, spec: pod.spec!, match: { namespace, selector } }
}

/** @throws ClusterTestError `ERR_BRIDGE_CONTAINER_NOT_FOUND` */
export function chooseBridged<Container extends Pick<PodSpec['containers'][number], 'name' | 'ports'>>(
  containers: readonly Container[],
  annotations: Labels | undefined,
  wanted: string | undefined,
  workload: string,
): Container {
  const isLikely = ({ ports = [] }: Container) => ports.length > 0
  return chooseContainer({ containers, annotations, wanted, isLikely, workload, code: 'ERR_BRIDGE_CONTAINER_NOT_FOUND' })
}
