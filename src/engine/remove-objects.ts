import { type KubeClient, unlessAbsent } from '../kube/client.ts'
import { apiPath } from '../kube/kinds.ts'
import { poll } from '../support/poll.ts'

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
 */
export async function removeObjects(kube: KubeClient, objects: readonly ObjectName[], signal: AbortSignal): Promise<void> {
  const paths = (await Promise.all(objects.map((each) => pathOf(kube, each, signal)))).filter((path) => path !== undefined)
  await Promise.all(paths.map((path) => unlessAbsent(kube.request('DELETE', path, { query: background, signal }))))
  const namespaces = objects.filter(({ kind }) => kind === 'Namespace')
  await Promise.all(namespaces.map(({ name }) => removePods(kube, name, signal)))
  await Promise.all(paths.map((path) => waitUntilGone(kube, path, signal)))
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
