import { type ClusterInventory, type RunInventory, isKept } from '../cluster/ownership/inventory.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/** What is to go of a run that has ended. */
export interface PrunePlan {
  readonly run: string
  readonly clusters: readonly string[]
  /** Clusters that stay until their time is over; the run goes as a whole when there are none. */
  readonly kept: readonly string[]
  /** Stacks that stay until they are taken down. */
  readonly up: readonly string[]
}

/** Of runs that have ended on this host, and of those that `forced` names and that nobody here can see. */
export function planPrune(
  runs: readonly RunInventory[],
  { all, forced = [], now = Date.now() }: { readonly all: boolean; readonly forced?: readonly string[]; readonly now?: number },
): readonly PrunePlan[] {
  const dead = runs.filter(({ run, owner }) => owner.state === 'dead' || (owner.state === 'elsewhere' && forced.includes(run)))
  return dead.map(({ run, clusters }) => {
    const stays = (cluster: ClusterInventory) => cluster.stack !== undefined || (!all && isKept(cluster, now))
    const names = (some: readonly ClusterInventory[]) => some.map(({ name }) => name)
    return {
      run,
      clusters: names(clusters.filter((cluster) => !stays(cluster))),
      kept: names(clusters.filter((cluster) => stays(cluster) && cluster.stack === undefined)),
      up: clusters.filter(stays).flatMap(({ stack }) => stack?.name ?? []),
    }
  })
}

/** @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` for a run that has nothing, `ERR_CLUSTER_IN_USE` for one that lives, or that may unless it is forced */
export function checkRuns(wanted: readonly string[], runs: readonly RunInventory[], { force }: { readonly force: boolean }): void {
  if (force && wanted.length === 0)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'Expected --force with the names of runs, got none.', {
      hint: 'npx vitest-kubernetes list shows them: those with an owner on another host.',
    })
  for (const id of wanted) {
    const run = runs.find((each) => each.run === id)
    if (!run)
      throw new ClusterTestError('ERR_CLUSTER_NOT_FOUND', `There is no run "${id}".`, {
        hint: `There are ${formatList(runs.map((each) => each.run))}.`,
      })
    const { state, pid, host } = run.owner
    if (state === 'alive' || (state === 'elsewhere' && !force))
      throw new ClusterTestError(
        'ERR_CLUSTER_IN_USE',
        `Run "${id}" belongs to process ${pid} on "${host}", which ${state === 'alive' ? 'is running' : 'cannot be checked from here'}.`,
        {
          hint:
            state === 'alive'
              ? 'End the process: it removes its clusters.'
              : `If you know that it has ended (its container is gone, for example): npx vitest-kubernetes prune ${id} --force`,
        },
      )
  }
}
