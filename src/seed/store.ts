import { chooseContainer } from '../kube/choose-container.ts'
import type { KubeClient } from '../kube/client.ts'
import { readContainerEnv } from '../kube/container-env.ts'
import type { ExecResult } from '../kube/exec-result.ts'
import { execInPod } from '../kube/exec.ts'
import type { Pod } from '../kube/types.ts'
import { listPods } from '../kube/workload.ts'
import { type StoreType, findStores } from '../stack/store-type.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/** Those that files can be loaded into. */
export type SeededType = Exclude<StoreType, 'mongodb'>

/** A database or cache in the cluster, with what its container's variables say of it. */
export interface Store {
  readonly type: SeededType
  readonly workload: string
  readonly pod: Pod
  readonly env: Readonly<Record<string, string>>
  /** Runs a shell script in its container, with the container's own variables. */
  shell(script: string, options: { readonly input?: AsyncIterable<Uint8Array> | string; readonly signal: AbortSignal }): Promise<ExecResult>
}

export interface FindStoreOptions {
  readonly kube: KubeClient
  readonly namespace: string
  readonly signal: AbortSignal
}

/**
 * Finds out which store a workload is, by its image's name and its variables.
 * @throws ClusterTestError `ERR_SEED_NO_DATABASE` when it is none
 */
export async function findStore(workload: string, options: FindStoreOptions): Promise<Store> {
  const code = 'ERR_SEED_NO_DATABASE'
  const [pod] = await listPods(options.kube, options.namespace, workload, options.signal)
  if (!pod) throw new ClusterTestError(code, `Workload "${workload}" has no pod.`)
  const { kube, namespace, signal } = options
  const { containers } = pod.spec!
  const read = containers.map(async (each) => ({ ...each, env: await readContainerEnv(kube, pod, each, signal) }))
  const stores = findStores(await Promise.all(read)).filter(isSeeded)
  if (stores.length === 0)
    throw new ClusterTestError(
      code,
      `Workload "${workload}" is not a known database: its images are ${formatList(containers.map(({ image }) => image ?? ''))}.`,
      { hint: 'Known databases are PostgreSQL, MariaDB, MySQL and Redis. Seed others with { exec }, { http }, { job } or a function.' },
    )
  const { annotations } = pod.metadata!
  const { name, type, env } = chooseContainer({ containers: stores, annotations, wanted: undefined, workload, code })
  const target = { namespace, pod: pod.metadata!.name!, container: name }
  return { type, workload, pod, env, shell: (script, input) => execInPod(kube, target, ['sh', '-c', script], input) }
}

function isSeeded<Found extends { readonly type: StoreType }>(found: Found): found is Found & { readonly type: SeededType } {
  return found.type !== 'mongodb'
}
