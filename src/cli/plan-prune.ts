import type { RunInventory } from '../cluster/inventory.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/** What is to go of a run that has ended. */
export interface PrunePlan {
  readonly run: string
  readonly clusters: readonly string[]
  /** Clusters that stay until their time is over; the run goes as a whole when there are none. */
  readonly kept: readonly string[]
}

/** Of runs that have ended on this host, and of nothing else. */
export function planPrune(
  runs: readonly RunInventory[],
  { all, now = Date.now() }: { readonly all: boolean; readonly now?: number },
): readonly PrunePlan[] {
  const dead = runs.filter(({ owner }) => owner.state === 'dead')
  return dead.map(({ run, clusters }) => {
    const isKept = ({ keptUntil }: { readonly keptUntil: string | undefined }) =>
      !all && keptUntil !== undefined && Date.parse(keptUntil) > now
    return {
      run,
      clusters: clusters.filter((cluster) => !isKept(cluster)).map(({ name }) => name),
      kept: clusters.filter(isKept).map(({ name }) => name),
    }
  })
}

/** @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` for a run that has nothing, `ERR_CLUSTER_IN_USE` for one that may live */
export function checkRuns(wanted: readonly string[], runs: readonly RunInventory[]): void {
  for (const id of wanted) {
    const run = runs.find((each) => each.run === id)
    if (!run)
      throw new ClusterTestError('ERR_CLUSTER_NOT_FOUND', `There is no run "${id}".`, {
        hint: `There are ${formatList(runs.map((each) => each.run))}.`,
      })
    const { state, pid, host } = run.owner
    if (state !== 'dead')
      throw new ClusterTestError(
        'ERR_CLUSTER_IN_USE',
        `Run "${id}" is of process ${pid} on "${host}", which ${state === 'alive' ? 'runs' : 'cannot be seen from here'}.`,
        { hint: 'End the process: it removes what it has.' },
      )
  }
}
