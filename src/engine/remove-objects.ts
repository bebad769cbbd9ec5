import { type KubeClient, unlessAbsent } from '../kube/client.ts'
import { apiPath } from '../kube/kinds.ts'
import type { KubeObject } from '../kube/object.ts'
import { isLate } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatDuration } from '../support/format.ts'
import { poll } from '../support/poll.ts'
import { describeFinalizers } from './finalizers.ts'

/** What an object is called. */
export interface ObjectName {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace: string | undefined
}

/**
 * Removes objects and resolves when they are gone. The pods of Namespaces go without the grace that they would have, since
 * nobody listens to them any more.
 * @throws ClusterTestError `ERR_CLUSTER_LEFTOVERS` that names what holds an object which has not gone in time
 */
export async function removeObjects(kube: KubeClient, objects: readonly ObjectName[], { suite, signal }: RemoveOptions): Promise<void> {
  const started = performance.now()
  const paths = (await Promise.all(objects.map((each) => pathOf(kube, each, signal)))).filter((path) => path !== undefined)
  await Promise.all(paths.map((path) => unlessAbsent(kube.request('DELETE', path, { query: background, signal }))))
  const namespaces = objects.filter(({ kind }) => kind === 'Namespace')
  await Promise.all(namespaces.map(({ name }) => removePods(kube, name, signal)))
  await Promise.all(
    paths.map((path) =>
      waitUntilGone(kube, path, signal).catch(async (error: unknown) => {
        throw isLate(signal) ? await explainHeld(kube, path, { suite, error, after: performance.now() - started }) : error
      }),
    ),
  )
}

export interface RemoveOptions {
  /** Whose the objects are, for messages. */
  readonly suite: string
  readonly signal: AbortSignal
}

const background = { propagationPolicy: 'Background' }

async function pathOf(
  kube: KubeClient,
  { apiVersion, kind, name, namespace }: ObjectName,
  signal: AbortSignal,
): Promise<string | undefined> {
  return (await kube.resource(apiVersion, kind, signal))?.path(namespace, name)
}

async function removePods(kube: KubeClient, namespace: string, signal: AbortSignal): Promise<void> {
  await unlessAbsent(kube.request('DELETE', apiPath('Pod', namespace), { query: { gracePeriodSeconds: 0 }, signal }))
}

async function waitUntilGone(kube: KubeClient, path: string, signal: AbortSignal): Promise<void> {
  await poll(async () => ((await kube.find(path, { signal })) ? undefined : true), { interval: 200, signal })
}

interface Held {
  readonly suite: string
  readonly error: unknown
  /** Milliseconds. */
  readonly after: number
}

async function explainHeld(kube: KubeClient, path: string, { suite, error, after }: Held): Promise<unknown> {
  const signal = AbortSignal.timeout(5000)
  const object = await kube.find<KubeObject>(path, { signal })
  if (!object) return error
  const why = await describeFinalizers(kube, object, signal)
  const what = `${object.kind} "${object.metadata.name}" of suite "${suite}"`
  return new ClusterTestError('ERR_CLUSTER_LEFTOVERS', `${what} was deleted and has not gone after ${formatDuration(after)}: ${why}.`, {
    cause: error,
    hint: "Let what serves the finalizer outlive the object, remove the finalizer in a test or an afterAll hook, or set cluster: 'own'.",
  })
}
