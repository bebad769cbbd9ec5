import { type Baseline, takeBaseline } from '../cluster/baseline.ts'
import { checkFolders } from '../cluster/check-folders.ts'
import { type Cluster, type StartClusterOptions, startCluster } from '../cluster/cluster.ts'
import { defaultClusterMemory } from '../cluster/host-limits.ts'
import { type K3dCluster, withAccess } from '../cluster/network/k3d-access.ts'
import { listPublished } from '../cluster/ownership/inventory.ts'
import { newClusterName } from '../cluster/ownership/owner.ts'
import { type Template, removeTemplate } from '../cluster/template/template.ts'
import type { Docker } from '../docker/docker.ts'
import type { LocalImage } from '../stack/images/images.ts'
import { nodeVolumes, resolveMounts } from '../stack/images/mounts.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { createBackground } from './background.ts'
import type { Capacity, Slot } from './capacity.ts'
import { type ImportOnce, type ImportTarget, createImportOnce } from './import-once.ts'
import { describeKept } from './keep.ts'
import { type ObjectOwners, createObjectOwners } from './object-owners.ts'
import type { EngineParts } from './parts.ts'
import { type LeaseRequest, stackFolder } from './request.ts'
import type { Standbys } from './standbys.ts'

/** A cluster that runs, as its suites see it. */
export interface StartedCluster {
  readonly cluster: K3dCluster
  /** What was there before the suite; for clusters that are used again. */
  readonly baseline: Baseline | undefined
  readonly importOnce: ImportOnce
  /** Of the suites that share it. */
  readonly objectOwners: ObjectOwners
  /** What goes on after a suite has ended, and ends with the cluster. */
  inBackground(work: (signal: AbortSignal) => Promise<void>): Promise<void>
}

/** A cluster from the wait for room to its end. */
export interface ClusterLife {
  /** From before it is created. */
  readonly name: string
  /** What keeps it from being started. */
  readonly waitsFor: string | undefined
  /** Resolves once there is room for it. */
  readonly slot: Promise<Slot>
  readonly isRunning: boolean
  /** The first one who asks starts it; the others get the same. */
  start(from?: StartFrom): Promise<StartedCluster>
  /** Removes it, or keeps it until then. */
  end(report: Progress, keptUntil: number | undefined): Promise<void>
}

/** What a cluster starts from. */
export interface StartFrom {
  /** What to fork it from. */
  readonly template?: Template | undefined
  /** Its images go into the nodes while k3s starts, if they are known by then. */
  readonly stack?: Promise<{ readonly images: readonly LocalImage[] }> | undefined
}

export interface ClusterLifeOptions {
  readonly parts: EngineParts
  readonly capacity: Capacity
  readonly standbys: Pick<Standbys, 'take'>
  readonly isWatch: boolean
  readonly progress: (suite: string) => Progress
  readonly onKept: () => void
  /** Told as soon as nobody else may have it. */
  readonly onEnd: () => void
}

/** @param users whoever is told of it, at each moment */
export function beginCluster(request: LeaseRequest, users: ReadonlySet<Progress>, options: ClusterLifeOptions): ClusterLife {
  const { parts, capacity, standbys, isWatch, progress, onKept, onEnd } = options
  const isShared = request.options.cluster === 'shared'
  const label = isShared ? 'shared' : request.suite
  const name = newClusterName(parts.owner, label)
  const stop = new AbortController()
  const background = createBackground(stop.signal, progress('run'))
  let waitsFor: string | undefined
  let isRunning = false
  let started: Promise<StartedCluster> | undefined
  let early: Promise<void> | undefined

  const tell = (text: string) => {
    waitsFor = text
    for (const report of users) report({ kind: 'note', step: 'cluster', text })
  }
  // In a moment, when there is somebody to tell of it.
  const slot = Promise.resolve().then(() => capacity.acquire(request.options.memory ?? defaultClusterMemory, stop.signal, tell))
  // Everybody who waits for it hears of it, and whoever comes later tries again.
  slot.catch(onEnd)

  const start = async ({ template, stack }: StartFrom): Promise<StartedCluster> => {
    waitsFor = undefined
    const [first = progress('run')] = users
    const { signal } = stop
    await using cleanup = new AsyncDisposableStack()
    const target = Promise.withResolvers<ImportTarget>()
    const importOnce = createImportOnce(parts.docker, target.promise)
    early = stack?.then(({ images }) => importOnce.begin(images, first, signal)).catch(() => undefined)
    const onNodes = stack && target.resolve
    const starting = startFor(request, { ...parts, standbys, name, label, template, onNodes, progress: first, signal })
    starting.then(target.resolve, target.reject)
    const cluster = withAccess(parts.docker, cleanup.use(await starting))
    const mounts = resolveMounts(request.options.mount, stackFolder(request))
    await checkFolders(parts.docker, cluster, [...new Set(mounts.map(({ source }) => source))], signal)
    const baseline = isWatch && !isShared ? await takeBaseline(cluster.kube, stop.signal) : undefined
    ;(await slot).settle()
    isRunning = true
    cleanup.move()
    return { cluster, baseline, importOnce, objectOwners: createObjectOwners(), inBackground: background.run }
  }

  return {
    ...{ name, slot },
    get waitsFor() {
      return waitsFor
    },
    get isRunning() {
      return isRunning
    },
    start: (from = {}) =>
      (started ??= start(from).catch(async (error: unknown) => {
        onEnd()
        ;(await slot)[Symbol.dispose]()
        throw error
      })),
    async end(report, keptUntil) {
      onEnd()
      stop.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'No suite is waiting for the cluster any more.'))
      const [, running] = await Promise.allSettled([background.ended(), started, early])
      try {
        if (running.status === 'fulfilled' && running.value)
          await endCluster(parts.docker, running.value.cluster, { keptUntil, up: request.up, report, onKept })
      } finally {
        const [held] = await Promise.allSettled([slot])
        if (held.status === 'fulfilled') held.value[Symbol.dispose]()
      }
    },
  }
}

/** What makes clusters equal. */
export function clusterOf(request: LeaseRequest) {
  const { nodeImage: image, agents, k3sArgs, ipFamily, nodeEnv, mount } = request.options
  return { image, agents, k3sArgs, ipFamily, volumes: nodeVolumes(resolveMounts(mount, stackFolder(request))), nodeEnv }
}

type StartParts = EngineParts &
  Pick<ClusterLifeOptions, 'standbys'> &
  Pick<StartClusterOptions, 'name' | 'label' | 'template' | 'onNodes' | 'progress' | 'signal'>

async function startFor(request: LeaseRequest, { template, standbys, ...parts }: StartParts): Promise<Cluster> {
  const { image = parts.nodeImage, ...wanted } = clusterOf(request)
  const options = { ...parts, ...wanted, image }
  const isTemplate = parts.templateLimit !== undefined && request.options.cluster !== 'shared'
  if (!template) return startCluster({ ...options, isTemplate })
  try {
    const cluster = await standbys.take(request, template.key)?.take(parts.progress, parts.signal)
    if (cluster) return cluster
  } catch (error) {
    parts.signal.throwIfAborted()
    parts.progress({ kind: 'note', step: 'cluster', text: `another one is started: ${messageOf(error)}` })
  }
  try {
    return await startCluster({ ...options, template })
  } catch (error) {
    parts.signal.throwIfAborted()
    parts.progress({ kind: 'note', step: 'cluster', text: `its template is removed, and a new cluster started: ${messageOf(error)}` })
    await removeTemplate(parts.docker, template)
    return startCluster({ ...options, isTemplate })
  }
}

interface EndOptions extends Pick<ClusterLifeOptions, 'onKept'> {
  readonly keptUntil: number | undefined
  readonly up: LeaseRequest['up']
  readonly report: Progress
}

async function endCluster(docker: Docker, cluster: Cluster, { keptUntil, up, report, onKept }: EndOptions): Promise<void> {
  if (keptUntil === undefined) return runStep(report, 'teardown', `cluster "${cluster.name}"`, async () => cluster[Symbol.asyncDispose]())
  const kept = await cluster.keep(keptUntil, up)
  if (up) return
  onKept()
  report({ kind: 'note', step: 'kept', text: describeKept(kept, await listPublished(docker, cluster.name), cluster.ports.areElsewhere) })
}
