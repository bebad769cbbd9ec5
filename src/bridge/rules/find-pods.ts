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

type PodSpec = NonNullable<Pod['spec']>

/** The pods of a workload, followed until this is disposed. */
export interface WorkloadPods extends PodChoice, Disposable {
  /** As the user wrote it. */
  readonly workload: string
  readonly namespace: string
  /** Of the pods. */
  readonly annotations: Labels | undefined
  /** Of the pods. */
  readonly spec: PodSpec
  /** Of the namespace. */
  readonly services: readonly Service[]
  /** With those on their way out, to which requests may still come. */
  allPods(): readonly Pod[]
  /** Those of all workloads. */
  inNamespace(): readonly Pod[]
  /** Calls back whenever the pods of the namespace change, until it is disposed. */
  onChange(listener: () => void): Disposable
}

export interface FindOptions {
  readonly cluster: { readonly kube: KubeClient }
  readonly namespace: string
  readonly workload: string
  readonly signal: AbortSignal
}

/** @throws ClusterTestError `ERR_KUBE_NOT_FOUND`, `ERR_BRIDGE_HOST_NETWORK`, `ERR_BRIDGE_NO_PODS` */
export async function findPods({ cluster: { kube }, namespace, workload, signal }: FindOptions): Promise<WorkloadPods> {
  const listeners = new Set<() => void>()
  const stop = new AbortController()
  const name = /^(?:service|svc)\/(.+)$/.exec(workload)?.[1]
  const [template, listed, watched] = await Promise.allSettled([
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
  const services = valueOf(listed).items
  const {
    metadata: { labels = {}, annotations } = {},
    spec,
    match,
  } = valueOf(template) ?? templateOfService(namespace, name!, services, pods.items)
  if (spec.hostNetwork)
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_NETWORK',
      `The pods of "${workload}" use their node's network (hostNetwork), so they have neither a network namespace nor an address of their own.`,
      { hint: 'Remove hostNetwork from the manifest that the suite applies.' },
    )
  const allPods = () => pods.items.filter((pod) => isMatch(match, pod))
  const owned = cleanup.move()
  return {
    workload,
    namespace,
    annotations,
    spec,
    services,
    match,
    labels,
    allPods,
    inNamespace: () => pods.items,
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
      hint: 'Name the workload itself, such as "deployment/…": that works without pods.',
    })
  return { metadata: pod.metadata, spec: pod.spec!, match: { namespace, selector } }
}
