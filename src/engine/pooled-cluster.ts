import { listPublished } from '../cluster/ownership/inventory.ts'
import type { Progress } from '../support/progress.ts'
import { type ClusterLife, type ClusterLifeOptions, beginCluster } from './cluster-life.ts'
import { describeHeld } from './keep.ts'
import { renewCluster } from './renew-cluster.ts'
import type { LeaseRequest } from './request.ts'

/** A cluster of the pool and the suites that use it, which are known by what they report to. */
export interface PooledCluster {
  readonly key: string
  readonly isShared: boolean
  readonly life: Omit<ClusterLife, 'end'>
  readonly isUsed: boolean
  /** Whether it waits for its next suite. */
  readonly isIdle: boolean
  /** Lets a suite in. Resolves to false for a cluster that was idle and is of no use any more. */
  admit(report: Progress, signal: AbortSignal): Promise<boolean>
  dismiss(report: Progress): void
  /** Waits for another suite, until `onTimeout`. */
  rest(report: Progress, timeout: number, onTimeout: () => void): Promise<void>
  /** Takes what a suite leaves in it for people to look into, until it is used again. */
  leave(part: AsyncDisposable): void
  /** Lets it be kept at its end. */
  keep(until: number): void
  end(report: Progress): Promise<void>
}

export function createPooledCluster(key: string, request: LeaseRequest, options: ClusterLifeOptions): PooledCluster {
  const isShared = request.options.cluster === 'shared'
  const users = new Set<Progress>()
  const life = beginCluster(request, users, options)
  let idle: NodeJS.Timeout | undefined
  /** Whether suites that came after an idle time may use it. */
  let usable = Promise.resolve(true)
  let keptUntil: number | undefined
  let left = new AsyncDisposableStack()

  const renew = async (report: Progress, signal: AbortSignal): Promise<boolean> => {
    const { cluster, baseline } = await life.start()
    const isRenewed = await renewCluster(options.parts.docker, cluster, { baseline, left, report, signal })
    if (isRenewed && baseline) {
      left = new AsyncDisposableStack()
      keptUntil = undefined
    }
    return isRenewed
  }

  return {
    ...{ key, isShared, life },
    get isUsed() {
      return users.size > 0
    },
    get isIdle() {
      return idle !== undefined
    },
    async admit(report, signal) {
      if (life.waitsFor && !users.has(report)) report({ kind: 'note', step: 'cluster', text: life.waitsFor })
      users.add(report)
      if (idle) usable = renew(report, signal)
      clearTimeout(idle)
      idle = undefined
      const isUsable = await usable
      if (!isUsable) users.delete(report)
      return isUsable
    },
    dismiss: (report) => void users.delete(report),
    async rest(report, timeout, onTimeout) {
      idle = setTimeout(onTimeout, timeout).unref()
      if (keptUntil === undefined || isShared) return
      const { cluster } = await life.start()
      report({ kind: 'note', step: 'kept', text: describeHeld(cluster, await listPublished(options.parts.docker, cluster.name)) })
    },
    leave: (part) => void left.use(part),
    keep: (until) => void (keptUntil = Math.max(keptUntil ?? 0, until)),
    end(report) {
      clearTimeout(idle)
      return life.end(report, keptUntil)
    },
  }
}
