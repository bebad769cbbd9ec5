import type { StackOptions } from '../stack/options.ts'
import { declaredSeeds } from '../stack/seed-options.ts'
import { workloadOf } from '../stack/services/check-services.ts'
import { restoreSnapshot, saveSnapshot } from './snapshot.ts'
import { type FindStoreOptions, findStore } from './store.ts'

/** The workloads whose seeded state can be restored: services of a known type, and what files were loaded into. */
export function resettable({ services = {}, seed }: Pick<StackOptions, 'services' | 'seed'>): readonly string[] {
  const own = Object.keys(services).filter((name) => ['mariadb', 'postgres', 'redis'].includes(services[name]!.type))
  const seeded = declaredSeeds(seed).flatMap((stage) =>
    Object.keys(stage).filter((name) => [stage[name]].flat().some((step) => typeof step === 'string')),
  )
  return [...new Set([...own, ...seeded].map((name) => workloadOf(name, services)))]
}

/** Saves what the stores hold now, as what `resetStores` goes back to. */
export async function saveStores(workloads: readonly string[], options: FindStoreOptions): Promise<void> {
  await Promise.all(workloads.map(async (workload) => saveSnapshot(await findStore(workload, options), options.signal)))
}

/** @throws ClusterTestError `ERR_SEED_RESET_FAILED` for the first that could not be reset; the others are */
export async function resetStores(workloads: readonly string[], options: FindStoreOptions): Promise<void> {
  const results = await Promise.allSettled(
    workloads.map(async (workload) => restoreSnapshot(await findStore(workload, options), options.signal)),
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
