import { resetCluster } from '../cluster/baseline.ts'
import { stoppedNodes } from '../cluster/cluster.ts'
import { readHostLimits } from '../cluster/host-limits.ts'
import { withNodeLogs } from '../cluster/node-logs.ts'
import { whileWaiting } from '../support/deadline.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { createCapacity } from './capacity.ts'
import { describeHeld, keepUntil } from './keep.ts'
import type { EngineParts } from './parts.ts'
import { type Entry, type PooledCluster, clusterOf, createEntry } from './pool-entry.ts'
import type { LeaseRequest } from './request.ts'

/** All clusters of a run: those of one suite each, and those that suites share. */
export interface Pool extends AsyncDisposable {
  /** Waits until there is room for the suite's cluster. Disposal of the place ends the cluster, unless others use it or may. */
  reserve(request: LeaseRequest, report: Progress, signal: AbortSignal): Promise<Place>
}

/** A suite's place in a cluster that exists or may be started now. */
export interface Place extends AsyncDisposable {
  /** Resolves to the cluster once it runs. */
  enter(signal: AbortSignal): Promise<PooledCluster>
  /** The error of a set-up, with what the nodes say if the time was up while they were created. */
  explain(error: unknown): Promise<unknown>
  /** Says that the suite has failed. */
  fail(): void
  /** Whether the suite's cluster stays for people to look into. */
  readonly isKept: boolean
  /** Takes what the suite leaves in a cluster that stays, until a suite uses it again. */
  leave(part: AsyncDisposable): void
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

export function createPool({ parts, maxClusters, isMemoryMeasured, isWatch, idleTimeout, progress, onKept }: PoolOptions): Pool {
  const { docker } = parts
  const entries = new Map<string, Entry>()
  /** Clusters that end while nobody waits for it. */
  const ending = new Set<Promise<void>>()
  let unique = 0
  let isClosed = false

  const capacity = createCapacity({
    limit: maxClusters ?? docker.processors,
    totalMemory: docker.memory,
    freeMemory: async () => (await readHostLimits(docker.memory)).freeMemory,
    isMeasured: isMemoryMeasured,
    makeRoom: () => {
      const [longest] = [...entries.values()].filter(({ idle }) => idle)
      if (longest) endUnused(longest)
    },
  })

  return {
    async reserve(request, report, signal) {
      await using cleanup = new AsyncDisposableStack()
      const entry = await join(keyOf(request), request, report, signal)
      cleanup.defer(() => leave(entry, report))
      await whileWaiting(entry.slot, signal)
      const owned = cleanup.move()
      const { keep = 'never', keepFor } = request.options
      let hasFailed = false
      const isKept = () => keep === 'always' || (keep === 'on-failure' && hasFailed)
      let hasEntered = false
      return {
        async enter(abort) {
          const pooled = await whileWaiting(entry.start(), abort)
          hasEntered = true
          return pooled
        },
        async explain(error) {
          const isLate = error instanceof ClusterTestError && error.code === 'ERR_SETUP_TIMEOUT' && !entry.isRunning
          return isLate ? await withNodeLogs(docker, entry.name, error) : error
        },
        fail: () => void (hasFailed = true),
        get isKept() {
          return isKept()
        },
        leave: (part) => void entry.left.use(part),
        async [Symbol.asyncDispose]() {
          if (hasEntered && isKept()) entry.wish.until = Math.max(entry.wish.until ?? 0, keepUntil(keepFor))
          await owned.disposeAsync()
        },
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const entry of entries.values()) endUnused(entry)
      const ended = await Promise.allSettled(ending)
      const errors = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
      if (errors.length > 0) throw errors.length > 1 ? new AggregateError(errors, errors.map(messageOf).join('\n')) : errors[0]
    },
  }

  /** Equal keys mean that a cluster will do. */
  function keyOf(request: LeaseRequest): string {
    const { file, suite, options } = request
    const cluster = JSON.stringify(clusterOf(request))
    if (options.cluster === 'shared') return cluster
    if (!isWatch) return `own ${unique++}`
    const identity = `own ${file} ${suite} `
    // The options have changed since it last ran.
    for (const [key, entry] of entries) if (key.startsWith(identity) && key !== identity + cluster && entry.idle) endUnused(entry)
    return entries.get(identity + cluster)?.users.size ? `own ${unique++}` : identity + cluster
  }

  /** The cluster of that key, new or as good as new. */
  async function join(key: string, request: LeaseRequest, report: Progress, signal: AbortSignal): Promise<Entry> {
    while (true) {
      const entry = entries.get(key) ?? addEntry(key, request, report)
      if (entry.waitsFor && !entry.users.has(report)) report({ kind: 'note', step: 'cluster', text: entry.waitsFor })
      entry.users.add(report)
      if (entry.idle) {
        clearTimeout(entry.idle)
        entry.idle = undefined
        entry.usable = renew(entry, report, signal)
      }
      if (await entry.usable) return entry
      entry.users.delete(report)
      forget(entry)
      if (entry.users.size === 0) await entry.end(report)
      signal.throwIfAborted()
    }
  }

  /** Whether a cluster that has been idle still has its nodes, answers and, where it was one suite's own, is empty again. */
  async function renew(entry: Entry, report: Progress, signal: AbortSignal): Promise<boolean> {
    const { cluster, baseline } = await entry.start()
    try {
      // The server answers for an agent that has stopped, whose Node stays Ready for 40 s.
      const stopped = await stoppedNodes(docker, cluster)
      if (stopped.length > 0) throw new Error(`node ${stopped.map((node) => `"${node}"`).join(', ')} does not run`)
      await cluster.kube.requestText('/readyz', { signal, timeout: 5_000 })
      const limit = AbortSignal.any([signal, AbortSignal.timeout(resetTimeout)])
      if (baseline) {
        await runStep(report, 'reset', `cluster "${cluster.name}"`, () => resetCluster(cluster.kube, baseline, limit))
        await entry.left.disposeAsync()
        entry.left = new AsyncDisposableStack()
        entry.wish.until = undefined
      }
      return true
    } catch (error) {
      if (!signal.aborted) report({ kind: 'note', step: 'reset', text: `starts another cluster: ${messageOf(error)}` })
      return false
    }
  }

  /** The last suite ends its cluster and waits for that, unless another one may use it. */
  async function leave(entry: Entry, report: Progress): Promise<void> {
    entry.users.delete(report)
    if (entry.users.size > 0 || entries.get(entry.key) !== entry) return
    const isOver = isClosed || !entry.isRunning || (!entry.isShared && !isWatch)
    if (isOver) return entry.end(report)
    if (entry.wish.until !== undefined && !entry.isShared)
      report({ kind: 'note', step: 'kept', text: describeHeld((await entry.start()).cluster) })
    // The one that has been idle for longest stands first.
    entries.delete(entry.key)
    entries.set(entry.key, entry)
    entry.idle = setTimeout(() => endUnused(entry), idleTimeout).unref()
  }

  function addEntry(key: string, request: LeaseRequest, report: Progress): Entry {
    const entry = createEntry(key, request, report, { parts, capacity, isWatch, progress, onKept, onEnd: () => forget(entry) })
    entries.set(key, entry)
    return entry
  }

  function forget(entry: Entry): void {
    if (entries.get(entry.key) === entry) entries.delete(entry.key)
  }

  function endUnused(entry: Entry): void {
    const end = entry.end(progress('run'))
    ending.add(end)
    end.then(
      () => ending.delete(end),
      // Stays among those that the end of the run reports.
      () => undefined,
    )
  }
}

/** Milliseconds for a cluster to become empty. A new one takes as long. */
const resetTimeout = 20_000
