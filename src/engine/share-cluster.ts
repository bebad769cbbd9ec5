import { relative } from 'node:path'

import type { Progress } from '../support/progress.ts'
import type { SuitePlan } from './plan-suite.ts'
import type { PooledCluster } from './pool-entry.ts'
import type { Place } from './pool.ts'
import { type SuiteSpace, createSuiteSpace } from './suite-space.ts'

/** A namespace of the suite's own. It goes when the suite does, while others may start. */
export async function shareCluster(
  pooled: PooledCluster,
  { request, namespace }: SuitePlan,
  place: Place,
  { cleanup, progress }: { readonly cleanup: AsyncDisposableStack; readonly progress: Progress },
  signal: AbortSignal,
): Promise<SuiteSpace> {
  const { cluster, claims } = pooled
  const { suite, file } = request
  const owner = { suite, file: relative(process.cwd(), file) }
  const onWait = (text: string) => progress({ kind: 'note', step: 'apply', text })
  const space = await createSuiteSpace(cluster, { namespace, claims, owner, onWait, signal })
  cleanup.defer(() => {
    if (place.isKept) return
    const limit = (stop: AbortSignal) => AbortSignal.any([stop, AbortSignal.timeout(removalTimeout)])
    const outside = pooled.inBackground((stop) => space.removeOutside(limit(stop)))
    const namespaces = pooled.inBackground((stop) => space.removeNamespaces(limit(stop)))
    claims.release(owner, (key) => (key.startsWith('Namespace ') ? namespaces : outside))
  })
  return space
}

/** Milliseconds for the objects of a suite to go: something may hold them by a finalizer. */
const removalTimeout = 60_000
