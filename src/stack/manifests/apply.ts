import { type KubeClient, KubeStatusError } from '../../kube/client.ts'
import { type Kind, apiPath } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { poll } from '../../support/poll.ts'
import { planOrder } from './apply-order.ts'
import { findDoubleEntries } from './duplicates.ts'
import type { Manifest } from './manifests.ts'
import { findVersions } from './other-versions.ts'
import { type Refused, refusedForNow } from './refused.ts'
import { hintForChange, shortenValues } from './server-words.ts'

const fieldManager = 'vitest-kubernetes'

export interface Applied {
  /** What the server made of the objects. */
  readonly objects: readonly KubeObject[]
  /** What it may take later, once something else of the suite has started. */
  readonly refused: readonly Refused[]
}

/**
 * Applies objects on the server's side, one after the other in the order of `planOrder`, and resolves to what it made of them.
 * @throws ClusterTestError `ERR_MANIFEST_REJECTED` with the server's message, file and document
 */
export async function applyManifests(
  kube: KubeClient,
  manifests: readonly Manifest[],
  namespace: string,
  signal: AbortSignal,
): Promise<Applied> {
  const applied: KubeObject[] = []
  const refused: Refused[] = []
  const attempt = async (manifest: Manifest) => {
    try {
      return [await applyOne(kube, manifest, namespace, signal)]
    } catch (error) {
      const later = refusedForNow(manifest, error)
      if (!later) throw error
      refused.push(later)
      return []
    }
  }
  for (const { kind, manifests: members, backends } of planOrder(manifests, namespace)) {
    if (kind === 'workloads') await waitForServiceAccounts(kube, members, namespace, signal)
    if (kind === 'webhooks') await waitForPods(kube, backends, namespace, signal)
    const objects: KubeObject[] = []
    for (const manifest of members) objects.push(...(await attempt(manifest)))
    if (kind === 'definitions') await Promise.all(objects.map((object) => waitForDefinition(kube, object, signal)))
    applied.push(...objects)
  }
  return { objects: applied, refused }
}

/** @throws ClusterTestError `ERR_MANIFEST_REJECTED` */
export async function applyOne(
  kube: KubeClient,
  { object, origin }: Manifest,
  defaultNamespace: string,
  signal: AbortSignal,
): Promise<KubeObject> {
  const { apiVersion, kind, metadata } = object
  const resource = await kube.resource(apiVersion, kind, signal)
  const what = `Manifest ${origin}: ${kind} "${metadata.name ?? metadata['generateName']}"`
  if (!resource) {
    throw new ClusterTestError('ERR_MANIFEST_REJECTED', `${what} has a kind that the cluster does not know: ${apiVersion} ${kind}.`, {
      hint: await hintForKind(kube, object, signal),
    })
  }
  const namespace = resource.namespaced ? (metadata.namespace ?? defaultNamespace) : undefined
  const query = { fieldManager, fieldValidation: 'Strict' }
  try {
    if (metadata.name && findDoubleEntries(object).length === 0) {
      const path = resource.path(namespace, metadata.name)
      const contentType = 'application/apply-patch+yaml'
      const applied = await kube.request<KubeObject>('PATCH', path, { query: { ...query, force: true }, body: object, contentType, signal })
      return { ...applied, apiVersion, kind }
    }
    // Server-side apply refuses entries that stand twice, which kubectl takes.
    const present = metadata.name && (await kube.find<KubeObject>(resource.path(namespace, metadata.name), { signal }))
    const written = present
      ? await kube.request<KubeObject>('PUT', resource.path(namespace, metadata.name), { query, body: succeed(object, present), signal })
      : await kube.request<KubeObject>('POST', resource.path(namespace), { query, body: object, signal })
    return { ...written, apiVersion, kind }
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error
    throw new ClusterTestError('ERR_MANIFEST_REJECTED', `${what} was refused by the API server: ${shortenValues(error.serverMessage)}`, {
      cause: error,
      hint: hintFor(error, namespace) ?? hintForChange(error.serverMessage, kind, metadata.name),
    })
  }
}

function succeed(object: KubeObject, { metadata }: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: metadata['resourceVersion'] } }
}

function hintFor({ reason, serverMessage }: KubeStatusError, namespace: string | undefined): string | undefined {
  if (reason === 'NotFound' && /namespaces? ".*" not found/.test(serverMessage)) return `Add the Namespace "${namespace}" to "manifests".`
  if (/duplicate entries for key/.test(serverMessage)) return 'Remove one of the entries that stand twice.'
  return undefined
}

async function hintForKind(kube: KubeClient, { apiVersion, kind }: KubeObject, signal: AbortSignal): Promise<string> {
  const versions = await findVersions(kube, apiVersion, kind, signal)
  return versions.length > 0
    ? `The cluster has ${kind} in ${formatList(versions)}.`
    : 'Check apiVersion and kind, or add the CustomResourceDefinition to "manifests".'
}

async function waitForDefinition(kube: KubeClient, definition: KubeObject, signal: AbortSignal): Promise<void> {
  const path = apiPath('CustomResourceDefinition', undefined, definition.metadata.name)
  const { spec } = definition as unknown as {
    spec: { group: string; names: { kind: string }; versions: { name: string; served: boolean }[] }
  }
  const version = spec.versions.find(({ served }) => served)?.name
  await poll(
    async () => {
      const { status } = await kube.request<{ status?: { conditions?: { type: string; status: string }[] } }>('GET', path, { signal })
      const isEstablished = status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
      // Discovery follows a moment later.
      return (isEstablished && (await kube.resource(`${spec.group}/${version}`, spec.names.kind, signal))) || undefined
    },
    { interval: 50, signal },
  )
}

/** A bare Pod is refused until the controller manager has made its namespace's ServiceAccount, a moment after the namespace (kubernetes/kubernetes#66689). */
async function waitForServiceAccounts(
  kube: KubeClient,
  manifests: readonly Manifest[],
  defaultNamespace: string,
  signal: AbortSignal,
): Promise<void> {
  const pods = manifests.map(({ object }) => object as PodObject).filter(({ kind }) => kind === 'Pod')
  const namespaces = pods
    .filter(({ spec }) => (spec?.serviceAccountName ?? 'default') === 'default')
    .map(({ metadata }) => metadata.namespace ?? defaultNamespace)
  for (const namespace of new Set(namespaces)) {
    const path = `/api/v1/namespaces/${namespace}`
    // What the API server says of a Namespace that is not there comes with the Pod.
    const hasAccount = async () =>
      (await kube.find(`${path}/serviceaccounts/default`, { signal })) ?? ((await kube.find(path, { signal })) ? undefined : 'nowhere')
    await poll(hasAccount, { interval: 50, signal })
  }
}

/**
 * Until the pods that answer a webhook are made: it would refuse them. Not for long, since what keeps them from being made is
 * reported by whoever waits for the workload.
 */
async function waitForPods(kube: KubeClient, workloads: readonly Manifest[], defaultNamespace: string, signal: AbortSignal): Promise<void> {
  const end = Date.now() + 10_000
  for (const { object } of workloads) {
    const { kind, metadata } = object
    const path = apiPath(kind as Kind, metadata.namespace ?? defaultNamespace, metadata.name)
    await poll(async () => hasPods(await kube.find<KubeObject & WithStatus>(path, { signal })) || Date.now() > end || undefined, {
      interval: 50,
      signal,
    })
  }
}

/** A StatefulSet makes its next pod when the one before is ready. */
function hasPods(workload: (KubeObject & WithStatus) | undefined): boolean {
  const { spec, status } = workload ?? {}
  if (workload?.kind === 'DaemonSet') return (status?.currentNumberScheduled ?? 0) > 0
  return (
    !('replicas' in (spec ?? {})) ||
    (status?.replicas ?? 0) >= (workload?.kind === 'StatefulSet' ? Math.min(1, spec!.replicas!) : spec!.replicas!)
  )
}

interface WithStatus {
  readonly spec?: { readonly replicas?: number }
  readonly status?: { readonly replicas?: number; readonly currentNumberScheduled?: number }
}

type PodObject = KubeObject & { readonly spec?: { readonly serviceAccountName?: string } }
