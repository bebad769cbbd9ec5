import { randomUUID } from 'node:crypto'

import { readHostLimits } from '../cluster/host-limits.ts'
import { whileWaiting } from '../support/deadline.ts'
import type { Progress } from '../support/progress.ts'
import { createCapacity } from './capacity.ts'
import { clusterOf } from './cluster-life.ts'
import { createEndings } from './endings.ts'
import type { EngineParts } from './parts.ts'
import { type PooledCluster, createPooledCluster } from './pooled-cluster.ts'
import type { LeaseRequest } from './request.ts'
import { type Reservation, createReservation } from './reservation.ts'
import { type Standbys, createStandbys } from './standbys.ts'

/** All clusters of a run: those of one suite each, and those that suites share. */
export interface Pool extends AsyncDisposable {
  /** Waits until there is room for the suite's cluster. Disposal of the reservation ends the cluster, unless others use it or may. */
  reserve(request: LeaseRequest, report: Progress, signal: AbortSignal): Promise<Reservation>
  /** Clusters that are made before somebody asks for them. */
  readonly standbys: Pick<Standbys, 'expect' | 'begin' | 'fileEnded'>
}

export interface PoolOptions {
  readonly parts: EngineParts
  readonly maxClusters: number | undefined
  /** See CapacityOptions. */
  readonly isMemoryMeasured: boolean
  /** Whether the same suite may come again: clusters of suites' own are held ready too. */
  readonly isWatch: boolean
  /** Milliseconds that a cluster which nobody uses is held ready. */
  readonly idleTimeout: number
  readonly progress: (suite: string) => Progress
  /** Told when a cluster is left to itself. */
  readonly onKept: () => void
}

export function createPool(options: PoolOptions): Pool {
  const { parts, maxClusters, isMemoryMeasured, isWatch, idleTimeout, progress } = options
  const { docker } = parts
  /** The one that has been idle for longest stands first. */
  const clusters = new Map<string, PooledCluster>()
  const endings = createEndings()
  let isClosed = false

  const capacity = createCapacity({
    limit: maxClusters ?? docker.processors,
    totalMemory: docker.memory,
    freeMemory: async () => (await readHostLimits(docker.memory)).freeMemory,
    isMeasured: isMemoryMeasured,
    makeRoom: (lacking) => {
      if (lacking === 'memory' && standbys.makeRoom()) return
      const longest = clusters.values().find(({ isIdle }) => isIdle)
      if (longest) endUnused(longest)
    },
  })

  const standbys = createStandbys({ parts, capacity, endings })

  return {
    standbys,
    async reserve(request, report, signal) {
      await using cleanup = new AsyncDisposableStack()
      const pooled = await join(keyOf(request), request, report, signal)
      cleanup.defer(() => leave(pooled, report))
      await whileWaiting(pooled.life.slot, signal)
      return createReservation(docker, pooled, request, cleanup.move())
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      standbys[Symbol.dispose]()
      for (const pooled of clusters.values()) endUnused(pooled)
      await endings[Symbol.asyncDispose]()
    },
  }

  /** Equal keys mean that a cluster will do. */
  function keyOf(request: LeaseRequest): string {
    const { file, suite, options: wanted } = request
    const cluster = JSON.stringify(clusterOf(request))
    if (wanted.cluster === 'shared') return cluster
    if (!isWatch) return `own ${randomUUID()}`
    const identity = `own ${file} ${suite} `
    // The options have changed since it last ran.
    for (const [key, pooled] of clusters) if (key.startsWith(identity) && key !== identity + cluster && pooled.isIdle) endUnused(pooled)
    return clusters.get(identity + cluster)?.isUsed ? `own ${randomUUID()}` : identity + cluster
  }

  /** The cluster of that key, new or as good as new. */
  async function join(key: string, request: LeaseRequest, report: Progress, signal: AbortSignal): Promise<PooledCluster> {
    while (true) {
      const pooled = clusters.get(key) ?? add(key, request)
      if (await pooled.admit(report, signal)) return pooled
      forget(pooled)
      if (!pooled.isUsed) await pooled.end(report)
      signal.throwIfAborted()
    }
  }

  /** The last suite ends its cluster and waits for that, unless another one may use it. */
  async function leave(pooled: PooledCluster, report: Progress): Promise<void> {
    pooled.dismiss(report)
    if (pooled.isUsed || clusters.get(pooled.key) !== pooled) return
    const isOver = isClosed || !pooled.life.isRunning || (!pooled.isShared && !isWatch)
    if (isOver) return pooled.end(report)
    clusters.delete(pooled.key)
    clusters.set(pooled.key, pooled)
    await pooled.rest(report, idleTimeout, () => endUnused(pooled))
  }

  function add(key: string, request: LeaseRequest): PooledCluster {
    const pooled = createPooledCluster(key, request, { ...options, capacity, standbys, onEnd: () => forget(pooled) })
    clusters.set(key, pooled)
    return pooled
  }

  function forget(pooled: PooledCluster): void {
    if (clusters.get(pooled.key) === pooled) clusters.delete(pooled.key)
  }

  function endUnused(pooled: PooledCluster): void {
    endings.add(pooled.end(progress('run')))
  }
}
