import { type KubeClient, hasStatus, unlessGone } from '../../kube/client.ts'
import type { KubeList } from '../../kube/types.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { poll } from '../../support/poll.ts'
import { poolLabel, runLabelOfObjects } from './labels.ts'
import { hasRelay } from './namespace-lease.ts'

export interface CreatedNamespace {
  readonly name: string
  /** Resolves when it is gone with all that is in it. */
  remove(): Promise<void>
}

/** Milliseconds. */
const removalLimit = 120_000

/** @throws ClusterTestError `ERR_CLUSTER_NAMESPACE` when the user may not */
export async function createNamespace(kube: KubeClient, prefix: string, run: string, signal: AbortSignal): Promise<CreatedNamespace> {
  const name = `${prefix}${randomId()}`
  const labels = { [poolLabel]: 'created', [runLabelOfObjects]: run }
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
  await kube.request('POST', '/api/v1/namespaces', { body, signal }).catch((error: unknown) => {
    if (!hasStatus(error, 403)) throw error
    throw new ClusterTestError('ERR_CLUSTER_NAMESPACE', `No namespace can be created: ${error.serverMessage}`, {
      cause: error,
      hint: 'Use namespaces that an administrator has prepared: namespaces: { pool: … }.',
    })
  })
  const path = `/api/v1/namespaces/${name}`
  // No pod can be made before it is there.
  await poll(() => kube.find(`${path}/serviceaccounts/default`, { signal }), { interval: 50, signal })
  return {
    name,
    async remove() {
      await remove(kube, name)
      const limit = AbortSignal.timeout(removalLimit)
      await poll(async () => ((await kube.find(path, { signal: limit })) ? undefined : true), { interval: 500, signal: limit })
    },
  }
}

/** Milliseconds: one that is younger may be about to be used, and clocks differ. */
const youth = 600_000

/** Removes those that killed runs have left: nothing stands for their runs any more. */
export async function pruneNamespaces(kube: KubeClient, prefix: string): Promise<void> {
  const query = { labelSelector: `${poolLabel}=created,${runLabelOfObjects}` }
  const { items } = await kube.request<KubeList<Created>>('GET', '/api/v1/namespaces', { query })
  const old = items.filter(
    ({ metadata }) => metadata.name.startsWith(prefix) && Date.now() - Date.parse(metadata.creationTimestamp) > youth,
  )
  for (const { metadata } of old) {
    // A Job may wait for ever for what its run was to do.
    if (!(await hasRelay(kube, metadata.name))) await remove(kube, metadata.name)
  }
}

function remove(kube: KubeClient, name: string): Promise<void> {
  return unlessGone(kube.request('DELETE', `/api/v1/namespaces/${name}`))
}

interface Created {
  readonly metadata: { readonly name: string; readonly creationTimestamp: string }
}
