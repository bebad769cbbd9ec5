import { isForKubeProxy } from '../cluster/network/service-rules.ts'
import { apiPath } from '../kube/kinds.ts'
import { selectorFits } from '../kube/labels.ts'
import { isOf } from '../kube/lineage.ts'
import type { KubeObject } from '../kube/object.ts'
import type { KubeList, Pod, Service } from '../kube/types.ts'
import { isPodReady, parseWorkload, readWorkload } from '../kube/workload.ts'
import { checkOption } from '../stack/check-option.ts'
import { selects } from '../stack/manifests/workloads.ts'
import { type ReadyContext, connects } from '../stack/ready/ready-checks.ts'
import { type Deadline, withDeadline } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'
import { poll } from '../support/poll.ts'

type Context = Pick<ReadyContext, 'kube' | 'namespace' | 'addresses'>

interface ChangeOptions extends Context {
  readonly workload: string
  /** Milliseconds. */
  readonly timeout: number
  /**
   * Finds the addresses of Services anew (one without a cluster IP has those of its pods), and waits until no node forwards to pods that
   * are gone, and each refuses what is for Services without pods.
   */
  readonly update: () => Promise<void>
}

/** Deletes all pods of a workload at once. Resolves when as many others are ready, and its Services answer. */
export async function restartWorkload(options: ChangeOptions): Promise<void> {
  await inTime(`cluster.restart of ${options.workload}`, options, async (signal) => {
    const object = await readChangeable(options, ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'ReplicationController'], signal)
    const old = await podsOf(options, signal)
    await Promise.all(
      old.map(({ metadata }) => options.kube.request('DELETE', apiPath('Pod', options.namespace, metadata!.name), { signal })),
    )
    await untilPodsAre(wantedBy(object), new Set(old.map(({ metadata }) => metadata!.uid!)), options, signal)
    if (old.length > 0) await untilServicesFollow(object, options, signal)
  })
}

/** Resolves when the workload has so many ready pods, and no other ones; to how many it had before. */
export async function scaleWorkload(replicas: number, options: ChangeOptions): Promise<number> {
  checkOption('replicas', 'a whole number, 0 or more', replicas, (value) => Number.isSafeInteger(value) && Number(value) >= 0)
  return inTime(`cluster.scale of ${options.workload}`, options, async (signal) => {
    const object = await readChangeable(options, ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController'], signal)
    const { kind, name } = parseWorkload(options.workload)
    const path = `${apiPath(kind, options.namespace, name)}/scale`
    await options.kube.request('PATCH', path, { body: { spec: { replicas } }, contentType: 'application/merge-patch+json', signal })
    await untilPodsAre(replicas, new Set(), options, signal)
    await untilServicesFollow(object, options, signal)
    return wantedBy(object)
  })
}

function inTime<T>(what: string, { timeout }: ChangeOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline: Deadline = { limit: timeout, code: 'ERR_WORKLOAD_NOT_READY', what, hint: 'Raise its option "timeout".' }
  return withDeadline(deadline, work)
}

async function readChangeable(
  { kube, namespace, workload }: ChangeOptions,
  kinds: readonly string[],
  signal: AbortSignal,
): Promise<KubeObject> {
  const object = await readWorkload(kube, namespace, workload, signal)
  if (kinds.includes(object.kind)) return object
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `A ${object.kind} makes no other pods: "${workload}".`, {
    hint: `${kinds.join(', ')} do.`,
  })
}

function wantedBy({ spec, status }: KubeObject): number {
  const { desiredNumberScheduled } = Object(status) as { desiredNumberScheduled?: number }
  const { replicas } = Object(spec) as { replicas?: number }
  return desiredNumberScheduled ?? replicas ?? 1
}

/** Those on their way out included: they still answer. */
async function podsOf({ kube, namespace, workload }: ChangeOptions, signal: AbortSignal): Promise<readonly Pod[]> {
  const { items } = await kube.request<KubeList<Pod>>('GET', apiPath('Pod', namespace), { signal })
  return items.filter(({ metadata }) => isOf({ kind: 'Pod', metadata }, parseWorkload(workload)))
}

async function untilPodsAre(count: number, old: ReadonlySet<string>, options: ChangeOptions, signal: AbortSignal): Promise<void> {
  await poll(
    async () => {
      const pods = await podsOf(options, signal)
      const isLeft = pods.some(({ metadata }) => metadata?.deletionTimestamp || old.has(metadata!.uid!))
      return !isLeft && pods.length === count && pods.every(isPodReady) ? true : undefined
    },
    { interval: 100, signal },
  )
}

/**
 * A node forwards to pods, or refuses connections to a Service that has none, a moment after they have changed. A connection
 * that it has forwarded to a pod that is gone would hang.
 */
async function untilServicesFollow(workload: KubeObject, context: ChangeOptions, signal: AbortSignal): Promise<void> {
  const { kube, namespace, addresses, update } = context
  const list = async <T>(kind: 'Service' | 'Pod') => (await kube.request<KubeList<T>>('GET', apiPath(kind, namespace), { signal })).items
  // Whether this machine reaches one whose traffic stays on its node depends on where the pods are.
  const isReached = (service: Service) => isForKubeProxy(service) && service.spec?.internalTrafficPolicy !== 'Local'
  const own = (await list<Service>('Service')).filter((service) => selects(service, workload) && isReached(service))
  const follows = async ({ metadata, spec }: Service, pods: readonly Pod[]): Promise<boolean> => {
    // Others may be behind it too.
    const answers = pods.some((pod) => isPodReady(pod) && selectorFits(spec?.selector, pod.metadata?.labels))
    const ports = addresses().filter((address) => address.namespace === namespace && address.service === metadata?.name)
    // One that is refused is closed sooner or later; one that is taken stays open.
    const open = answers ? 300 : 5_000
    const problems = await Promise.all(ports.map(({ host, hostPort }) => connects(host, hostPort, signal, open)))
    return problems.every((problem) => (problem === undefined) === answers)
  }
  const follow = async () => {
    // The addresses of a Service without a cluster IP are known a moment after its pods are ready. Where others are behind one too, it
    // answers before nodes have forgotten the pods that are gone.
    await update()
    // Each time: one list of the API server may be older than the one before.
    const pods = await list<Pod>('Pod')
    return (await Promise.all(own.map((service) => follows(service, pods)))).every(Boolean) || undefined
  }
  await poll(follow, { interval: 50, signal })
}
