import { resolve } from 'node:path'

import { type Baseline, takeBaseline } from '../cluster/baseline.ts'
import { type Cluster, type StartClusterOptions, startCluster } from '../cluster/cluster.ts'
import { defaultClusterMemory } from '../cluster/host-limits.ts'
import { newClusterName } from '../cluster/ownership/owner.ts'
import { nodeVolumes, resolveMounts } from '../stack/images/mounts.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type Progress, runStep } from '../support/progress.ts'
import type { Capacity, Slot } from './capacity.ts'
import { type Claims, createClaims } from './claims.ts'
import { type ImportOnce, createImportOnce } from './import-once.ts'
import { type KeepWish, describeKept } from './keep.ts'
import type { EngineParts } from './parts.ts'
import type { LeaseRequest } from './request.ts'

/** A cluster that runs, as its suites see it. */
export interface PooledCluster {
  readonly cluster: Cluster
  /** What was there before the suite; for clusters that are used again. */
  readonly baseline: Baseline | undefined
  readonly importOnce: ImportOnce
  /** Of the suites that share it. */
  readonly claims: Claims
  /** What goes on after a suite has ended, and ends with the cluster. */
  inBackground(work: (signal: AbortSignal) => Promise<void>): Promise<void>
}

/** A cluster of the pool, from the moment that somebody asks for it. */
export interface Entry {
  readonly key: string
  /** Of the cluster, from before it is created. */
  readonly name: string
  readonly isShared: boolean
  readonly users: Set<Progress>
  readonly slot: Promise<Slot>
  readonly wish: KeepWish
  /** What suites have left in it for people to look into. */
  left: AsyncDisposableStack
  /** The first one starts it; the others get the same. */
  start(): Promise<PooledCluster>
  isRunning: boolean
  /** What keeps it from being started. */
  waitsFor: string | undefined
  /** Whether a suite that came after an idle time may use it. */
  usable: Promise<boolean>
  /** Ends it when nobody comes; undefined while somebody is there. */
  idle: NodeJS.Timeout | undefined
  end(report: Progress): Promise<void>
}

export interface EntryOptions {
  readonly parts: EngineParts
  readonly capacity: Capacity
  readonly isWatch: boolean
  readonly progress: (suite: string) => Progress
  readonly onKept: () => void
  /** Told as soon as nobody else may have it. */
  readonly onEnd: () => void
}

/** `report` is its first user's. */
export function createEntry(key: string, request: LeaseRequest, report: Progress, options: EntryOptions): Entry {
  const { capacity, progress, onEnd } = options
  const isShared = request.options.cluster === 'shared'
  const label = isShared ? 'shared' : request.suite
  const name = newClusterName(options.parts.owner, label)
  const stop = new AbortController()
  const users = new Set([report])
  const background = createBackground(stop.signal, progress('run'))
  const { memory = defaultClusterMemory } = request.options
  const tell = (text: string) => {
    entry.waitsFor = text
    for (const each of users) each({ kind: 'note', step: 'cluster', text })
  }
  // In a moment, when there is an entry to tell of it.
  const slot = Promise.resolve().then(() => capacity.acquire(memory, stop.signal, tell))
  // Everybody who waits for it hears of it, and whoever comes later tries again.
  slot.catch(onEnd)
  let started: Promise<PooledCluster> | undefined

  const start = async (): Promise<PooledCluster> => {
    entry.waitsFor = undefined
    const [first = progress('run')] = users
    await using cleanup = new AsyncDisposableStack()
    const cluster = cleanup.use(await startFor(request, { ...options.parts, name, label, progress: first, signal: stop.signal }))
    const baseline = options.isWatch && !isShared ? await takeBaseline(cluster.kube, stop.signal) : undefined
    ;(await slot).settle()
    entry.isRunning = true
    cleanup.move()
    return {
      ...{ cluster, baseline },
      importOnce: createImportOnce(options.parts.docker, cluster),
      claims: createClaims(),
      inBackground: (work) => background.run(work),
    }
  }

  const entry: Entry = {
    ...{
      key,
      name,
      isShared,
      users,
      slot,
      idle: undefined,
      waitsFor: undefined,
      isRunning: false,
      usable: Promise.resolve(true),
      wish: { until: undefined },
      left: new AsyncDisposableStack(),
    },
    start: () =>
      (started ??= start().catch(async (error: unknown) => {
        onEnd()
        ;(await slot)[Symbol.dispose]()
        throw error
      })),
    async end(last) {
      onEnd()
      clearTimeout(entry.idle)
      stop.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'Nobody waits for the cluster any more.'))
      const [, running] = await Promise.allSettled([background.ended(), started])
      try {
        if (running.status === 'fulfilled' && running.value) await endCluster(running.value.cluster, entry.wish, last, options.onKept)
      } finally {
        const [held] = await Promise.allSettled([slot])
        if (held.status === 'fulfilled') held.value[Symbol.dispose]()
      }
    },
  }
  return entry
}

/** What makes clusters equal. */
export function clusterOf({ folder, options }: LeaseRequest) {
  const { nodeImage: image, agents, k3sArgs, ipFamily, nodeEnv, mount } = options
  return { image, agents, k3sArgs, ipFamily, volumes: nodeVolumes(resolveMounts(mount, resolve(folder, options.folder ?? '.'))), nodeEnv }
}

type StartParts = EngineParts & Pick<StartClusterOptions, 'name' | 'label' | 'progress' | 'signal'>

function startFor(request: LeaseRequest, parts: StartParts): Promise<Cluster> {
  const { image = parts.nodeImage, ...options } = clusterOf(request)
  return startCluster({ ...parts, ...options, image })
}

async function endCluster(cluster: Cluster, { until }: KeepWish, report: Progress, onKept: () => void): Promise<void> {
  if (until === undefined) return runStep(report, 'teardown', `cluster "${cluster.name}"`, async () => cluster[Symbol.asyncDispose]())
  const kept = await cluster.keep(until)
  onKept()
  report({ kind: 'note', step: 'kept', text: describeKept(kept) })
}

/** Work that nobody waits for. What fails is told, unless the cluster ends anyway. */
function createBackground(signal: AbortSignal, report: Progress) {
  const running = new Set<Promise<void>>()
  return {
    run(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
      const done = work(signal)
        .catch((error: unknown) => {
          if (signal.aborted) return
          report({ kind: 'failed', step: 'teardown', text: messageOf(error) })
          throw error
        })
        .finally(() => running.delete(done))
      done.catch(() => undefined)
      running.add(done)
      return done
    },
    ended: () => Promise.allSettled(running),
  }
}
