import { type KubeClient, hasStatus } from '../../kube/client.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { poolLabel } from './labels.ts'
import { describeRights, missingRights, neededRights } from './rights.ts'

interface Namespace {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> }
}

/**
 * A namespace for tests is marked by whoever may: what a suite finds in another one is not its own to use.
 * @throws ClusterTestError `ERR_CLUSTER_NAMESPACE` for one that is not there, that nobody has marked for tests, or in which the user lacks a right
 */
export async function checkNamespace(kube: KubeClient, name: string, signal?: AbortSignal): Promise<void> {
  const unusable = (why: string, hint: string, cause?: unknown) =>
    new ClusterTestError('ERR_CLUSTER_NAMESPACE', `Namespace "${name}" cannot be used: ${why}.`, { hint, cause })
  const forAdmin = 'An administrator of the cluster prepares namespaces: npx vitest-kubernetes rbac prints what to apply.'
  const namespace = await kube.find<Namespace>(`/api/v1/namespaces/${name}`, { signal }).catch((error: unknown) => {
    if (!hasStatus(error, 403)) throw error
    throw unusable(error.serverMessage, forAdmin, error)
  })
  if (!namespace) throw unusable('it does not exist', forAdmin)
  if (namespace.metadata.labels?.[poolLabel] === undefined)
    throw unusable(`it has no label ${poolLabel}, which says that it is for tests`, `kubectl label namespace ${name} ${poolLabel}=true`)
  const missing = await missingRights(kube, name, neededRights, signal)
  if (missing.length > 0)
    throw unusable(`its user may not ${describeRights(missing)} there`, `The ClusterRole edit has these rights. ${forAdmin}`)
}
