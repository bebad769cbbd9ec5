import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { readHostLimits } from '../cluster/host-limits.ts'
import { findK3d } from '../cluster/k3d.ts'
import { pruneLeftovers, removeRun } from '../cluster/ownership/leftovers.ts'
import { startLifeline } from '../cluster/ownership/lifeline.ts'
import { createOwner, folderPrefix } from '../cluster/ownership/owner.ts'
import { ownerEnv } from '../cluster/ownership/processes.ts'
import { connectDocker } from '../docker/docker.ts'
import type { Recorder, SuiteRecorder } from '../report/recorder.ts'
import type { ImageSubstitutes } from '../stack/images/image-names.ts'
import { withDeadline } from '../support/deadline.ts'
import { messageOf } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { Progress } from '../support/progress.ts'
import { planSuite } from './plan-suite.ts'
import { createPool } from './pool.ts'
import type { LeaseRequest } from './request.ts'
import { type RunningSuite, startSuite } from './start-suite.ts'

export interface EngineOptions {
  readonly k3d: string
  readonly nodeImage: string | undefined
  readonly substitutes: ImageSubstitutes
  readonly buildNetwork: string | undefined
  /** Bytes that all templates together may take; undefined for none. In watch mode nothing is forked. */
  readonly templateLimit: number | undefined
  /** Absolute paths of what a run writes: they change with every run, and are no part of an image. */
  readonly outputs: readonly string[]
  /** Clusters at the same time. @default one for each processor of the Docker engine */
  readonly maxClusters: number | undefined
  /** Whether the run goes on when its tests have ended, and they may run again. */
  readonly isWatch: boolean
  /** Milliseconds that a shared cluster which no suite uses is held ready for the next one. */
  readonly idleTimeout: number
  readonly progress: (suite: string) => Progress
  /** What reports are made of. */
  readonly recorder: Recorder
  /** Told of every suite that asks for a cluster, before anything else. */
  readonly onRequest?: (request: LeaseRequest) => void
}

/** Docker, k3d and the run's identity; what starts clusters. */
export interface Engine extends AsyncDisposable {
  /** Waits for a slot and sets a suite up. Slot and cluster belong to `held`. */
  start(request: LeaseRequest, held: AsyncDisposableStack, signal: AbortSignal): Promise<RunningSuite>
}

/** Milliseconds for a suite's set-up unless it says otherwise. */
const defaultSetupTimeout = 300_000

/** Finds Docker and k3d, and removes what dead runs left. */
export async function startEngine({
  k3d: command,
  nodeImage,
  substitutes,
  buildNetwork,
  templateLimit,
  outputs,
  maxClusters,
  isWatch,
  idleTimeout,
  progress,
  recorder: runRecorder,
}: EngineOptions): Promise<Engine> {
  const docker = await connectDocker()
  const owner = createOwner()
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), folderPrefix(owner.run)))
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  const lifeline = cleanup.use(startLifeline(docker, owner.run))
  const trackChild = (event: 'started' | 'ended', pid: number) => lifeline.trackChild(event, pid)
  const k3d = await findK3d({ env: { ...docker.env, ...ownerEnv(owner) } }, command, trackChild)
  // A child that was killed may have had a request under way in the Docker engine.
  cleanup.defer(() => removeRun(docker, owner.run))
  const leftovers = await pruneLeftovers(docker).catch((error: unknown) => {
    progress('run')({ kind: 'note', step: 'prune', text: messageOf(error) })
    return []
  })
  if (leftovers.length > 0) {
    const names = leftovers.flatMap(({ run, clusters }) => (clusters.length > 0 ? clusters : [run]))
    progress('run')({ kind: 'note', step: 'prune', text: `removed what dead runs left behind: ${formatList(names)}` })
  }
  const parts = {
    docker,
    k3d,
    owner,
    folder,
    nodeImage,
    substitutes,
    buildNetwork,
    templateLimit: isWatch ? undefined : templateLimit,
    outputs,
    trackChild,
  }
  const { isMeasured } = await readHostLimits(docker.memory)
  const pool = cleanup.use(
    createPool({ parts, maxClusters, isMemoryMeasured: isMeasured, isWatch, idleTimeout, progress, onKept: () => lifeline.stay() }),
  )
  const owned = cleanup.move()

  return {
    async start(request, held, signal) {
      const { id, suite, file } = request
      const recorder = await runRecorder.suite({ id, name: suite, file })
      // The first one in: the suite has ended when all that it held is gone.
      held.defer(() => void (recorder.record.ended ??= Date.now()))
      try {
        return await start(request, recorder, held, signal)
      } catch (error) {
        recorder.record.failure = recorder.redact(messageOf(error))
        recorder.record.ended = Date.now()
        throw error
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }

  async function start(
    request: LeaseRequest,
    recorder: SuiteRecorder,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<RunningSuite> {
    const plan = await planSuite(request, folder, signal)
    const toTerminal = progress(request.suite)
    const report: Progress = (event) => {
      toTerminal(event)
      recorder.progress(event)
    }
    await using failed = new AsyncDisposableStack()
    const reservation = failed.use(await pool.reserve(request, report, signal))
    // The clock runs from here: waiting for a slot is nobody's fault.
    const deadline = {
      limit: request.options.setupTimeout ?? defaultSetupTimeout,
      code: 'ERR_SETUP_TIMEOUT',
      what: `Set-up of suite "${request.suite}"`,
      hint: 'Raise the option "setupTimeout" of the suite; the lines above show where the time went.',
    } as const
    try {
      const suite = await withDeadline({ ...deadline, signal }, (each) =>
        startSuite(parts, plan, reservation, { progress: report, recorder }, each),
      )
      failed.use(suite)
      held.use(failed.move())
      return suite
    } catch (error) {
      if (!signal.aborted) reservation.fail()
      throw await reservation.explain(error)
    }
  }
}
