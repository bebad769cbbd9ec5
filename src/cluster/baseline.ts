import { type KubeClient, hasStatus, unlessGone } from '../kube/client.ts'
import { poll } from '../support/poll.ts'

/** What a cluster has before anything is applied to it. */
export interface Baseline {
  readonly uids: ReadonlySet<string>
}

interface Listed {
  readonly path: string
  readonly name: string
  readonly uid: string
  readonly namespace: string | undefined
  readonly manager: string
  readonly isOwned: boolean
}

interface Resource {
  readonly root: string
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
}

export async function takeBaseline(kube: KubeClient, signal: AbortSignal): Promise<Baseline> {
  const listed = await listAll(kube, await listResources(kube, signal), signal)
  return { uids: new Set(listed.map(({ uid }) => uid)) }
}

/**
 * Makes a cluster as it was when it was new: whatever has come since is deleted, by whomever it was made, but for what the
 * cluster makes for itself. What tests changed of the cluster's own objects stays changed.
 * @throws when something does not go in time: a finalizer that nobody serves any more, for instance
 */
export async function resetCluster(kube: KubeClient, baseline: Baseline, signal: AbortSignal): Promise<void> {
  const resources = await listResources(kube, signal)
  // A webhook whose pods are gone would refuse every further step.
  const webhooks = resources.filter(({ root }) => root.startsWith('/apis/admissionregistration.k8s.io/'))
  const definitions = resources.filter(({ kind }) => kind === 'CustomResourceDefinition')
  const rest = resources.filter((each) => ![...webhooks, ...definitions].includes(each))
  for (const members of [webhooks, rest, definitions]) await deleteNew(kube, members, baseline, signal)
}

async function deleteNew(kube: KubeClient, resources: readonly Resource[], baseline: Baseline, signal: AbortSignal): Promise<void> {
  const isNew = (each: Listed) => !baseline.uids.has(each.uid) && !isOfCluster(each)
  let left = (await listAll(kube, resources, signal)).filter(isNew)
  await Promise.all(left.map((each) => remove(kube, each, signal)))
  await poll(
    async () => {
      const paths = new Set(left.map(({ path }) => path))
      left = (await Promise.all([...paths].map((path) => list(kube, path, signal)))).flat().filter(isNew)
      // Those that a controller had under way; what is owned by others goes with them, but pods would take their grace.
      const again = left.filter(({ isOwned, path }) => !isOwned || path.endsWith('/pods'))
      await Promise.all(again.map((each) => remove(kube, each, signal)))
      return left.length === 0 ? true : undefined
    },
    { interval: 200, signal },
  )
}

/** What the cluster itself makes, and makes again: of its own namespaces, in every namespace, and by its own programs. */
function isOfCluster({ name, namespace, path, manager }: Listed): boolean {
  if (path.endsWith('/api/v1/nodes')) return true
  if (path.endsWith('/api/v1/namespaces')) return /^(kube-|default$)/.test(name)
  if (namespace === undefined) return /^(k3s|deploy@|kube-|kubelet|helm|api-priority)/.test(manager)
  return namespace.startsWith('kube-') || ['kube-root-ca.crt', 'default', 'kubernetes'].includes(name)
}

/** Kinds that can be listed and deleted, without those that come and go by themselves. */
async function listResources(kube: KubeClient, signal: AbortSignal): Promise<readonly Resource[]> {
  const { groups } = await kube.request<{ groups: { preferredVersion: { groupVersion: string } }[] }>('GET', '/apis', { signal })
  const roots = ['/api/v1', ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)]
  const lists = await Promise.all(roots.map(async (root) => ({ root, ...(await readResources(kube, root, signal)) })))
  return lists.flatMap(({ root, resources }) =>
    resources
      .filter(({ name, verbs = [] }) => !name.includes('/') && verbs.includes('list') && verbs.includes('delete'))
      .filter(({ name }) => !['events', 'leases', 'endpoints', 'endpointslices', 'csinodes', 'apiservices'].includes(name))
      .map(({ name, kind, namespaced }) => ({ root, name, kind, namespaced })),
  )
}

interface ResourceList {
  readonly resources: readonly {
    readonly name: string
    readonly kind: string
    readonly namespaced: boolean
    readonly verbs?: readonly string[]
  }[]
}

/** A group whose server is gone has nothing that could be listed. */
async function readResources(kube: KubeClient, root: string, signal: AbortSignal): Promise<ResourceList> {
  try {
    return await kube.request<ResourceList>('GET', root, { signal })
  } catch (error) {
    if (hasStatus(error, 404, 503)) return { resources: [] }
    throw error
  }
}

async function listAll(kube: KubeClient, resources: readonly Resource[], signal: AbortSignal): Promise<readonly Listed[]> {
  return (await Promise.all(resources.map(({ root, name }) => list(kube, `${root}/${name}`, signal)))).flat()
}

interface Item {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly namespace?: string
    readonly ownerReferences?: readonly unknown[]
    readonly managedFields?: readonly { readonly manager?: string }[]
  }
}

async function list(kube: KubeClient, path: string, signal: AbortSignal): Promise<readonly Listed[]> {
  // Its definition may just have gone.
  const { items = [] } = (await kube.find<{ items: readonly Item[] }>(path, { signal })) ?? {}
  return items.map(({ metadata: { name, uid, namespace, ownerReferences = [], managedFields = [] } }) => ({
    ...{ path, name, uid, namespace, manager: managedFields[0]?.manager ?? '', isOwned: ownerReferences.length > 0 },
  }))
}

async function remove(kube: KubeClient, { path, name, namespace, uid }: Listed, signal: AbortSignal): Promise<void> {
  const [, root, plural] = /^(.*)\/([^/]+)$/.exec(path)!
  const query = { propagationPolicy: 'Background', ...(plural === 'pods' && { gracePeriodSeconds: 0 }) }
  const at = namespace === undefined ? `${path}/${name}` : `${root}/namespaces/${namespace}/${plural}/${name}`
  // Gone, or another one by the same name already.
  await unlessGone(kube.request('DELETE', at, { query, body: { preconditions: { uid } }, signal }))
}
