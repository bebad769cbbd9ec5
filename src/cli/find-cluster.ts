import type { ClusterInventory, RunInventory } from '../cluster/ownership/inventory.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/**
 * The cluster that somebody means: by its name or a part of it, by its suite or its run; the only one there is when nothing is said.
 * @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` when it is none, or more than one
 */
export function findCluster(runs: readonly RunInventory[], wanted: string | undefined): ClusterInventory {
  const all = runs.flatMap(({ clusters }) => clusters)
  const exact = all.filter(({ name, suite }) => name === wanted || suite === wanted)
  const found = wanted === undefined ? all : exact.length > 0 ? exact : all.filter(({ name }) => name.includes(wanted))
  if (found.length === 1) return found[0]!
  if (found.length > 1)
    throw new ClusterTestError(
      'ERR_CLUSTER_NOT_FOUND',
      wanted === undefined ? `There are ${found.length} clusters: name one.` : `${found.length} clusters match "${wanted}": name one.`,
      {
        hint: `They are ${formatList(found.map(({ name }) => name))}.`,
      },
    )
  throw new ClusterTestError('ERR_CLUSTER_NOT_FOUND', wanted === undefined ? 'There is no cluster.' : `No cluster matches "${wanted}".`, {
    hint:
      all.length > 0
        ? `There are ${formatList(all.map(({ name }) => name))}.`
        : 'Use watch mode or the suite option "keep" to keep one alive.',
  })
}
