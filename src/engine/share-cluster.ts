import { relative } from 'node:path'

import type { Progress } from '../support/progress.ts'
import type { StartedCluster } from './cluster-life.ts'
import type { SuitePlan } from './plan-suite.ts'
import type { Reservation } from './reservation.ts'
import { type SuiteSpace, createSuiteSpace } from './suite-space.ts'

/** A namespace of the suite's own. It goes when the suite does, while others may start. */
export async function shareCluster(
  started: StartedCluster,
  { request, namespace }: SuitePlan,
  reservation: Reservation,
  { cleanup, progress }: { readonly cleanup: AsyncDisposableStack; readonly progress: Progress },
  signal: AbortSignal,
): Promise<SuiteSpace> {
  const { cluster, objectOwners } = started
  const { suite, file } = request
  const owner = { suite, file: relative(process.cwd(), file) }
  const onWait = (text: string) => progress({ kind: 'note', step: 'apply', text })
  const space = await createSuiteSpace(cluster, { namespace, objectOwners, owner, onWait, signal })
  cleanup.defer(() => {
    if (reservation.isKept) return
    const limit = (stop: AbortSignal) => AbortSignal.any([stop, AbortSignal.timeout(removalTimeout)])
    const outside = started.inBackground((stop) => space.removeOutside(limit(stop)))
    const namespaces = started.inBackground((stop) => space.removeNamespaces(limit(stop)))
    objectOwners.release(owner, (key) => (key.startsWith('Namespace ') ? namespaces : outside))
  })
  return space
}

/** Milliseconds for the objects of a suite to go: something may hold them by a finalizer. */
const removalTimeout = 60_000
