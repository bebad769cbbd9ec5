import { hostname, userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

import { type KubeClient, hasStatus, unlessGone } from '../../kube/client.ts'
import type { OwnerReference } from '../../kube/lineage.ts'
import type { KubeList, Pod } from '../../kube/types.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { runLabelOfObjects } from './labels.ts'

/** A namespace that is this run's. */
export interface NamespaceLease extends AsyncDisposable {
  readonly namespace: string
  /** Lets the lock go with an object, also when nobody is left to release it. */
  goWith(owner: OwnerReference): Promise<void>
}

export interface LeaseOptions {
  /** Those of the pool. */
  readonly names: readonly string[]
  /** Id of this run. */
  readonly run: string
  /** Refuses a namespace that cannot be used. */
  readonly check: (name: string) => Promise<void>
  /** Told who holds what, when there is nothing to do but wait. */
  readonly onWait: (text: string) => void
  /** Told when somebody else has taken it. */
  readonly onLost: (error: unknown) => void
  readonly signal: AbortSignal
}

/** Of the object that is the lock. Whoever creates it has the namespace; it goes when that is let go. */
const lockName = 'vitest-kubernetes'
/** Milliseconds. A lock that nobody renews for longer, and without a pod that stands for its holder, is nobody's. */
const duration = 60_000
const interval = 15_000

/**
 * Takes the first free namespace, and waits for one. The API server creates one object of a name, and tells all others who has it.
 * @throws ClusterTestError `ERR_CLUSTER_NAMESPACE` for one that is not there, that nobody has marked for tests, or in which the user lacks a right
 */
export async function leaseNamespace(kube: KubeClient, options: LeaseOptions): Promise<NamespaceLease> {
  const { names, run, onWait, signal } = options
  await Promise.all(names.map((name) => options.check(name)))
  const seen = new Map<string, Seen>()
  // Suites of a run have each their own.
  const holder = `${run}-${randomId()}`
  // So that runs that begin at the same time do not all try the same one first.
  const from = Math.floor(Math.random() * names.length)
  const inOrder = [...names.slice(from), ...names.slice(0, from)]
  let told = ''
  for (;;) {
    for (const name of inOrder) if (await take(kube, name, { run, holder, seen, signal })) return holdLease(kube, name, holder, options)
    const text = `waits for a namespace: ${inOrder.map((name) => `"${name}" is held by ${seen.get(name)?.holder ?? 'somebody'}`).join('; ')}`
    if (text !== told) onWait(text)
    told = text
    await sleep(1_000 + Math.random() * 1_000, undefined, { signal })
  }
}

/** What was seen of a lock, and when it was last seen to change, by this machine's own clock. */
interface Seen {
  readonly holder: string
  readonly renewed: string
  readonly at: number
}

interface Lock {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly holderIdentity?: string; readonly renewTime?: string }
}

interface TakeOptions extends Pick<LeaseOptions, 'run' | 'signal'> {
  readonly holder: string
  readonly seen: Map<string, Seen>
}

async function take(kube: KubeClient, name: string, { run, holder, seen, signal }: TakeOptions): Promise<boolean> {
  const create = () => kube.request('POST', leasePath(name), { body: newLock(run, holder), signal })
  try {
    await create()
    return true
  } catch (error) {
    if (!hasStatus(error, 409)) throw error
  }
  const lock = await kube.find<Lock>(leasePath(name, lockName), { signal })
  if (!lock) return false
  const renewed = `${lock.metadata.uid} ${lock.spec.renewTime}`
  const before = seen.get(name)
  if (before?.renewed !== renewed) {
    seen.set(name, {
      holder: holderOf(lock),
      renewed,
      at: performance.now(),
    })
    return false
  }
  // Its clock may be wrong, or its process stand in a debugger: then its pod is there.
  if (performance.now() - before.at < duration || (await hasRelay(kube, name, signal))) return false
  const { uid, resourceVersion } = lock.metadata
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } }
  try {
    await kube.request('DELETE', leasePath(name, lockName), { body, signal })
    await create()
    return true
  } catch (error) {
    // Somebody was faster, or it lives after all.
    if (hasStatus(error, 404, 409)) return false
    throw error
  }
}

/** Whether the pod of a run is there. */
export async function hasRelay(kube: KubeClient, namespace: string, signal?: AbortSignal): Promise<boolean> {
  const query = { labelSelector: runLabelOfObjects }
  const { items } = await kube.request<KubeList<Pod>>('GET', `/api/v1/namespaces/${namespace}/pods`, { query, signal })
  return items.some(({ status, metadata }) => status?.phase === 'Running' && !metadata?.deletionTimestamp)
}

function holdLease(kube: KubeClient, namespace: string, holder: string, { onLost }: LeaseOptions): NamespaceLease {
  const path = leasePath(namespace, lockName)
  const patch = (body: object) => kube.request<Lock>('PATCH', path, { body, contentType: 'application/merge-patch+json' })
  const renew = async () => {
    try {
      const { spec } = await patch({ spec: { renewTime: now() } })
      if (spec.holderIdentity === holder) return
    } catch (error) {
      // The API server may be away for a moment.
      if (!hasStatus(error, 404)) return
    }
    clearInterval(timer)
    onLost(leaseLost(namespace))
  }
  const timer = setInterval(() => void renew(), interval).unref()
  return {
    namespace,
    async goWith(owner) {
      const { spec } = await patch({ metadata: { ownerReferences: [owner] } })
      if (spec.holderIdentity !== holder) throw leaseLost(namespace)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      const lock = await kube.find<Lock>(path)
      if (lock?.spec.holderIdentity !== holder) return
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: lock.metadata.uid } }
      await unlessGone(kube.request('DELETE', path, { body }))
    },
  }
}

/** Who has a namespace at this moment, for people. */
export async function readHolder(kube: KubeClient, namespace: string): Promise<string | undefined> {
  const lock = await kube.find<Lock>(leasePath(namespace, lockName))
  return lock && holderOf(lock)
}

function holderOf({ metadata, spec }: Lock): string {
  return metadata.annotations?.[holderAnnotation] ?? spec.holderIdentity ?? 'somebody'
}

const holderAnnotation = 'vitest-kubernetes.holder'

function leaseLost(namespace: string): ClusterTestError {
  return new ClusterTestError(
    'ERR_CLUSTER_LEASE_LOST',
    `Namespace "${namespace}" is not this suite's any more: its objects are removed, or others may use it.`,
    {
      hint: 'This machine was cut off from the cluster for longer than the relay waits, or somebody has deleted the Lease or the Job of the suite.',
    },
  )
}

function newLock(run: string, holder: string): object {
  const time = now()
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: lockName,
      labels: { [runLabelOfObjects]: run },
      annotations: { [holderAnnotation]: describeHolder(run, process.env) },
    },
    spec: { holderIdentity: holder, leaseDurationSeconds: duration / 1_000, acquireTime: time, renewTime: time },
  }
}

/** For people who wait: who to ask. */
export function describeHolder(run: string, env: Readonly<Record<string, string | undefined>>): string {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, CI_JOB_URL, BUILD_URL } = env
  const job = GITHUB_RUN_ID ? `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}` : (CI_JOB_URL ?? BUILD_URL)
  return `run ${run} of ${job ?? `${userName()}@${hostname()} (process ${process.pid})`}`
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run as a user that it has no name for (uv_os_get_passwd, ENOENT).
    return `user ${process.getuid?.() ?? ''}`.trim()
  }
}

/** With microseconds, as Kubernetes' MicroTime has them. */
function now(): string {
  return new Date().toISOString().replace('Z', '000Z')
}

function leasePath(namespace: string, name?: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases${name ? `/${name}` : ''}`
}
