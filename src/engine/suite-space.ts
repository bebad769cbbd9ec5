import type { Cluster } from '../cluster/cluster.ts'
import type { KubeClient } from '../kube/client.ts'
import type { OwnerReference } from '../kube/lineage.ts'
import type { KubeObject } from '../kube/object.ts'
import type { Service } from '../kube/types.ts'
import type { Manifest } from '../stack/manifests/manifests.ts'
import { ClusterTestError } from '../support/errors.ts'
import { poll } from '../support/poll.ts'
import type { ObjectOwner, ObjectOwners } from './object-owners.ts'
import { type ObjectName, type RemoveOptions, removeObjects } from './remove-objects.ts'

/** What of a cluster is a suite's. */
export interface SuiteSpace {
  /** Where objects live that name no namespace. */
  readonly namespace: string
  /** All that the suite has; undefined for every namespace that there is. */
  readonly namespaces: readonly string[] | undefined
  isOwn(service: Service): boolean
  /** What all objects of the suite belong to, and go with. @default nothing: they are removed by name, or with the cluster */
  readonly owner?: OwnerReference | undefined
  /** Before manifests are applied: whether they may be. */
  claim(manifests: readonly Manifest[], signal: AbortSignal): Promise<void>
  /** After they are: so that all of it can be removed. */
  record(applied: readonly KubeObject[]): void
}

/** A cluster of the suite's own. */
export function wholeCluster(namespace: string): SuiteSpace {
  return { namespace, namespaces: undefined, isOwn: () => true, claim: async () => {}, record: () => {} }
}

/** A stack that is up. */
export interface GuestSpace extends SuiteSpace {
  /** Says that all manifests so far are the stack's own. */
  settle(): void
  /** Removes what has come since. Resolves to whether anything has been applied, which may have changed what was there. */
  undo(options: RemoveOptions): Promise<boolean>
}

export function guestSpace({ kube }: Cluster, namespace: string): GuestSpace {
  let own: ReadonlySet<string> | undefined
  const claimed = new Map<string, ObjectName>()
  return {
    ...wholeCluster(namespace),
    async claim(manifests, signal) {
      for (const each of await Promise.all(manifests.map((manifest) => locate(manifest, { kube, manifests, namespace, signal }))))
        if (each) claimed.set(keyOf(each), each)
    },
    settle() {
      own = new Set(claimed.keys())
      claimed.clear()
    },
    async undo(options) {
      // Until then all of it is the stack's.
      if (!own) return false
      const added = [...claimed].flatMap(([key, each]) => (own!.has(key) ? [] : [each]))
      await removeObjects(kube, added, options)
      return claimed.size > 0
    },
  }
}

/** A suite's part of a shared cluster. Both removals reject when something does not go. */
export interface SharedSpace extends SuiteSpace {
  removeOutside(signal: AbortSignal): Promise<void>
  /** Takes longer. */
  removeNamespaces(signal: AbortSignal): Promise<void>
}

export interface SuiteSpaceOptions {
  readonly namespace: string
  readonly objectOwners: ObjectOwners
  readonly owner: ObjectOwner
  /** Told what of an ended suite is waited for. */
  readonly onWait: (text: string) => void
  readonly signal: AbortSignal
}

/** A namespace in a shared cluster, and whatever the suite applies outside of it. */
export async function createSuiteSpace(
  { kube }: Cluster,
  { namespace, objectOwners, owner, onWait, signal }: SuiteSpaceOptions,
): Promise<SharedSpace> {
  const outside = new Map<string, ObjectName>()
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  await kube.request('POST', '/api/v1/namespaces', { body, signal })
  // A controller whose first pod is refused for want of it waits longer than this.
  await poll(() => kube.find(`/api/v1/namespaces/${namespace}/serviceaccounts/default`, { signal }), { interval: 50, signal })

  return {
    namespace,
    get namespaces() {
      return [namespace, ...[...outside.values()].filter(isNamespace).map(({ name }) => name)]
    },
    isOwn: ({ metadata }) =>
      metadata?.namespace === namespace ||
      outside.has(keyOf({ kind: 'Service', name: metadata!.name!, namespace: metadata!.namespace })) ||
      outside.has(keyOf({ kind: 'Namespace', name: metadata!.namespace!, namespace: undefined })),
    async claim(manifests, abort) {
      const named = await Promise.all(manifests.map((manifest) => locate(manifest, { kube, manifests, namespace, signal: abort })))
      const added = named.filter((each) => each !== undefined && each.namespace !== namespace && !outside.has(keyOf(each))) as ObjectName[]
      await objectOwners.claim(added.map(keyOf), owner, { signal: abort, onWait })
      await Promise.all(added.map((each) => refuseForeign(each, abort)))
      for (const each of added) outside.set(keyOf(each), each)
    },
    record(applied) {
      for (const name of applied.map(nameOf)) if (name.namespace !== namespace) outside.set(keyOf(name), name)
    },
    async removeOutside(abort) {
      await removeObjects(
        kube,
        [...outside.values()].filter((each) => !isNamespace(each)),
        { suite: owner.suite, signal: abort },
      )
    },
    async removeNamespaces(abort) {
      const own = { apiVersion: 'v1', kind: 'Namespace', name: namespace, namespace: undefined }
      await removeObjects(kube, [own, ...[...outside.values()].filter(isNamespace)], { suite: owner.suite, signal: abort })
    },
  }

  /** What is there already is the cluster's own, and other suites need it as it is. */
  async function refuseForeign(each: ObjectName, abort: AbortSignal): Promise<void> {
    const resource = await kube.resource(each.apiVersion, each.kind, abort)
    if (!resource || !(await kube.find(resource.path(each.namespace, each.name), { signal: abort }))) return
    throw new ClusterTestError(
      'ERR_CLUSTER_SHARED_CONFLICT',
      `Suite "${owner.suite}" (${owner.file}) shares a cluster, and declares ${keyOf(each)}, which belongs to the cluster itself.`,
      { hint: `Remove it, rename it, or set cluster: 'own'.` },
    )
  }
}

interface LocateOptions {
  readonly kube: KubeClient
  /** All that are applied with it. */
  readonly manifests: readonly Manifest[]
  /** Of objects that name none. */
  readonly namespace: string
  readonly signal: AbortSignal
}

/** The name that an object will have; undefined for one that gets another name each time. */
async function locate({ object }: Manifest, { kube, manifests, namespace, signal }: LocateOptions): Promise<ObjectName | undefined> {
  const { apiVersion, kind, metadata } = object
  const isNamespaced = (await kube.resource(apiVersion, kind, signal))?.namespaced ?? scopeOf(object, manifests) !== 'Cluster'
  const placed = isNamespaced ? (metadata.namespace ?? namespace) : undefined
  return metadata.name ? { apiVersion, kind, name: metadata.name, namespace: placed } : undefined
}

function isNamespace({ kind }: Pick<ObjectName, 'kind'>): boolean {
  return kind === 'Namespace'
}

function nameOf({ apiVersion, kind, metadata: { name, namespace } }: KubeObject): ObjectName {
  return { apiVersion, kind, name, namespace }
}

/** For people too. */
function keyOf({ kind, name, namespace }: Omit<ObjectName, 'apiVersion'>): string {
  return `${kind} "${name}"${namespace ? ` in namespace "${namespace}"` : ''}`
}

/** Of a kind that is defined by the same manifests. */
function scopeOf({ apiVersion, kind }: KubeObject, all: readonly Manifest[]): string | undefined {
  const definitions = all
    .filter(({ object }) => object.kind === 'CustomResourceDefinition')
    .map(({ object }) => object['spec'] as { group?: string; scope?: string; names?: { kind?: string } } | undefined)
  return definitions.find((spec) => spec?.names?.kind === kind && apiVersion.startsWith(`${spec.group}/`))?.scope
}
