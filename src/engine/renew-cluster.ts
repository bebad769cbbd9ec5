import { type Baseline, resetCluster } from '../cluster/baseline.ts'
import { type Cluster, stoppedNodes } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import { messageOf } from '../support/errors.ts'
import { type Progress, runStep } from '../support/progress.ts'

interface RenewOptions {
  /** What was in it when it was new; undefined for a cluster that is not emptied. */
  readonly baseline: Baseline | undefined
  /** What suites have left in it for people to look into, until it is emptied. */
  readonly left: AsyncDisposable
  readonly report: Progress
  readonly signal: AbortSignal
}

/** Resolves to whether a cluster that has been idle still has its nodes, answers and, where it was one suite's own, is empty again. */
export async function renewCluster(docker: Docker, cluster: Cluster, { baseline, left, report, signal }: RenewOptions): Promise<boolean> {
  try {
    // The server answers for an agent that has stopped, whose Node stays Ready for 40 s.
    const stopped = await stoppedNodes(docker, cluster)
    if (stopped.length > 0) throw new Error(`node ${stopped.map((node) => `"${node}"`).join(', ')} is not running`)
    await cluster.kube.requestText('/readyz', { signal, timeout: 5_000 })
    const limit = AbortSignal.any([signal, AbortSignal.timeout(resetTimeout)])
    if (!baseline) return true
    await runStep(report, 'reset', `cluster "${cluster.name}"`, () => resetCluster(cluster.kube, baseline, limit))
    await left[Symbol.asyncDispose]()
    return true
  } catch (error) {
    if (!signal.aborted) report({ kind: 'note', step: 'reset', text: `starting a new cluster: ${messageOf(error)}` })
    return false
  }
}

/** Milliseconds for a cluster to become empty. A new one takes as long. */
const resetTimeout = 20_000
