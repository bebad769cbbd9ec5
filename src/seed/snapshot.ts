import { ClusterTestError } from '../support/errors.ts'
import { mysqlSnapshot } from './mysql-snapshot.ts'
import { postgresSnapshot } from './postgres-snapshot.ts'
import { redisSnapshot } from './redis-rdb.ts'
import type { SnapshotScripts } from './snapshot-scripts.ts'
import type { Store, SeededType } from './store.ts'

export const snapshotScripts: Readonly<Record<SeededType, SnapshotScripts>> = {
  postgres: postgresSnapshot,
  mariadb: mysqlSnapshot,
  redis: redisSnapshot,
}

const fileName = 'vitest-kubernetes-seeded'

/**
 * Saves what a store holds, for `restoreSnapshot`. It must be ready.
 * @throws ClusterTestError `ERR_SEED_RESET_FAILED`
 */
export async function saveSnapshot(store: Store, signal: AbortSignal): Promise<void> {
  const { folder, save } = snapshotScripts[store.type]
  await run(
    store,
    'saved',
    `umask 077\npath="${folder}/${fileName}"\nrm -rf "$path.part"\n${save('"$path.part"', store)}\nrm -rf "$path"\nmv "$path.part" "$path"`,
    signal,
  )
}

/**
 * Puts a store back to what it held when the snapshot was saved: the same rows, the same next ids.
 * @throws ClusterTestError `ERR_SEED_RESET_FAILED`; the store then holds what it did before
 */
export async function restoreSnapshot(store: Store, signal: AbortSignal): Promise<void> {
  const { folder, restore } = snapshotScripts[store.type]
  const check = `[ -e "$path" ] || { echo "There is no snapshot: was the pod replaced?" >&2; exit 1; }`
  await run(store, 'restored', `path="${folder}/${fileName}"\n${check}\n${restore('"$path"', store)}`, signal)
}

async function run(store: Store, what: string, script: string, signal: AbortSignal): Promise<void> {
  const { exitCode, stdout, stderr } = await store.shell(`set -e\n${script}`, { signal })
  if (exitCode === 0) return
  throw new ClusterTestError(
    'ERR_SEED_RESET_FAILED',
    `The seeded state of ${store.workload} could not be ${what}: ${(stderr || stdout).trim().slice(-2000)}`,
  )
}
