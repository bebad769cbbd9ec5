import type { KubeClient } from '../kube/client.ts'
import { readContainerEnv } from '../kube/container-env.ts'
import { type ExecResult, execInPod } from '../kube/exec.ts'
import type { Pod } from '../kube/types.ts'
import { listPods } from '../kube/workload.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

export type StoreType = 'mariadb' | 'postgres' | 'redis'

/** A database or cache in the cluster, with what its container's variables say of it. */
export interface Store {
  readonly type: StoreType
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
  const [pod] = await listPods(options.kube, options.namespace, workload, options.signal)
  if (!pod) throw new ClusterTestError('ERR_SEED_NO_DATABASE', `Workload "${workload}" has no pod.`)
  const store = await storeOf(workload, pod, options)
  if (store) return store
  throw new ClusterTestError(
    'ERR_SEED_NO_DATABASE',
    `Workload "${workload}" runs no database that is known: its images are ${formatList(pod.spec!.containers.map(({ image }) => image ?? ''))}.`,
    { hint: 'Known are PostgreSQL, MariaDB, MySQL and Redis. Seed others by { exec }, { http }, { job } or a function.' },
  )
}

async function storeOf(workload: string, pod: Pod, { kube, namespace, signal }: FindStoreOptions): Promise<Store | undefined> {
  for (const container of pod.spec!.containers) {
    const env = await readContainerEnv(kube, pod, container, signal)
    const type = typeOf(container, env)
    if (!type) continue
    const target = { namespace, pod: pod.metadata!.name!, container: container.name }
    return {
      type,
      workload,
      pod,
      env,
      shell: (script, options) => execInPod(kube, target, ['sh', '-c', script], options),
    }
  }
  return undefined
}

function typeOf(
  { image = '' }: NonNullable<Pod['spec']>['containers'][number],
  env: Readonly<Record<string, string>>,
): StoreType | undefined {
  const has = (prefix: string) => Object.keys(env).some((name) => name.startsWith(prefix))
  if (/postg/i.test(image) || has('POSTGRES_')) return 'postgres'
  if (/mariadb|mysql/i.test(image) || has('MARIADB_') || has('MYSQL_')) return 'mariadb'
  return /redis|valkey/i.test(image) ? 'redis' : undefined
}
