import { type KubeClient, KubeStatusError } from '../../kube/client.ts'
import { apiPath, kindOf, templatePath } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/types.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { poll } from '../../support/poll.ts'
import type { Manifest } from './manifests.ts'
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
 * Applies objects on the server's side and resolves to what it made of them. Namespaces and CustomResourceDefinitions
 * come first, workloads last, so that a pod finds its configuration, its ServiceAccount and its Service variables.
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
  for (const phase of phases) {
    const members = manifests.filter(({ object }) => phaseOf(object) === phase)
    if (phase === 'workloads') await waitForServiceAccounts(kube, members, namespace, signal)
    const objects = (await Promise.all(members.map(attempt))).flat()
    if (phase === 'definitions') await Promise.all(objects.map((object) => waitForDefinition(kube, object, signal)))
    applied.push(...objects)
  }
  return { objects: applied, refused }
}

const phases = ['namespaces', 'definitions', 'rest', 'workloads'] as const

function phaseOf(object: KubeObject): (typeof phases)[number] {
  const kind = kindOf(object)
  if (kind === 'Namespace') return 'namespaces'
  if (kind === 'CustomResourceDefinition') return 'definitions'
  return templatePath(object) ? 'workloads' : 'rest'
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
    throw new ClusterTestError('ERR_MANIFEST_REJECTED', `${what} is of a kind that the cluster does not know: ${apiVersion} ${kind}.`, {
      hint: 'Check apiVersion and kind, or add the CustomResourceDefinition to "manifests".',
    })
  }
  const namespace = resource.namespaced ? (metadata.namespace ?? defaultNamespace) : undefined
  const query = { fieldManager, fieldValidation: 'Strict' }
  try {
    const result = metadata.name
      ? await kube.request<KubeObject>('PATCH', resource.path(namespace, metadata.name), {
          query: { ...query, force: true },
          body: object,
          contentType: 'application/apply-patch+yaml',
          signal,
        })
      : await kube.request<KubeObject>('POST', resource.path(namespace), { query, body: object, signal })
    return { ...result, apiVersion, kind }
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error
    throw new ClusterTestError('ERR_MANIFEST_REJECTED', `${what} was refused by the API server: ${shortenValues(error.serverMessage)}`, {
      cause: error,
      hint: hintFor(error, namespace) ?? hintForChange(error.serverMessage, kind, metadata.name),
    })
  }
}

function hintFor({ reason, serverMessage }: KubeStatusError, namespace: string | undefined): string | undefined {
  if (reason === 'NotFound' && /namespaces? ".*" not found/.test(serverMessage)) return `Add the Namespace "${namespace}" to "manifests".`
  return undefined
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

type PodObject = KubeObject & { readonly spec?: { readonly serviceAccountName?: string } }
