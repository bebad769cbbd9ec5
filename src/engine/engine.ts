import { readHostLimits } from '../cluster/host-limits.ts'
import type { K3dCluster } from '../cluster/network/k3d-access.ts'
import type { Recorder } from '../report/recorder.ts'
import { withDeadline } from '../support/deadline.ts'
import type { Progress } from '../support/progress.ts'
import { refuseBusyPorts } from './fixed-ports.ts'
import type { ExpectedSuite } from './forecast.ts'
import type { KubeconfigCluster } from './leased/options.ts'
import { openParts } from './open-parts.ts'
import type { EngineParts } from './parts.ts'
import { planSuite } from './plan-suite.ts'
import { createPool } from './pool.ts'
import { type RecordedSuite, recordSuite, setupDeadline } from './record-suite.ts'
import type { LeaseRequest } from './request.ts'
import type { Settings } from './settings.ts'
import { type RunningSuite, startSuite } from './start-suite.ts'
import { createUpStacks } from './up-stacks.ts'

/** In watch mode nothing is forked. */
export interface EngineOptions extends Settings {
  /** Absolute paths of what a run writes: they change with every run, and are no part of an image. */
  readonly outputs: readonly string[]
  /** Clusters at the same time. @default one for each processor of the Docker engine */
  readonly maxClusters: number | undefined
  /** Whether the run goes on when its tests have ended, and they may run again. */
  readonly isWatch: boolean
  /** Milliseconds that a shared cluster which no suite uses is held ready for the next one. */
  readonly idleTimeout: number
  /** Where suites get namespaces, in place of clusters of their own. */
  readonly cluster?: KubeconfigCluster | undefined
  readonly progress: (suite: string) => Progress
  /** What reports are made of. */
  readonly recorder: Recorder
  /** Told of every suite that asks for a cluster, before anything else. */
  readonly onRequest?: (request: LeaseRequest) => void
}

/** Docker, k3d and the run's identity; what starts clusters. */
export interface Engine extends SuiteEngine {
  readonly parts: EngineParts
  start(...args: Parameters<SuiteEngine['start']>): Promise<RunningSuite<K3dCluster>>
}

/** What sets suites up, wherever. */
export interface SuiteEngine extends AsyncDisposable {
  /** Waits for a slot and sets a suite up. Slot and cluster belong to `held`. */
  start(request: LeaseRequest, held: AsyncDisposableStack, signal: AbortSignal): Promise<RunningSuite>
  /** Told of the suites of a run that begins, in the order in which they are likely to come. */
  expect?(suites: readonly ExpectedSuite[]): void
  /** Told when no suite of that test file comes any more. */
  fileEnded?(file: string): void
}

/** Finds Docker and k3d, and removes what dead runs left. */
export async function startEngine({
  templateLimit,
  outputs,
  maxClusters,
  isWatch,
  idleTimeout,
  progress,
  recorder: runRecorder,
  ...settings
}: EngineOptions): Promise<Engine> {
  await using cleanup = new AsyncDisposableStack()
  const { parts, lifeline } = cleanup.use(
    await openParts({ ...settings, templateLimit: isWatch ? undefined : templateLimit, outputs, progress: progress('run') }),
  )
  const { docker, folder } = parts
  const { isMeasured } = await readHostLimits(docker.memory)
  const pool = cleanup.use(
    createPool({ parts, maxClusters, isMemoryMeasured: isMeasured, isWatch, idleTimeout, progress, onKept: () => lifeline.stay() }),
  )
  const upStacks = createUpStacks(parts)
  const owned = cleanup.move()

  return {
    parts,
    start: (request, held, signal) =>
      recordSuite({ recorder: runRecorder, progress }, request, held, (recorded) => start(request, recorded, held, signal)),
    expect: (suites) => pool.standbys.expect(suites),
    fileEnded: (file) => pool.standbys.fileEnded(file),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }

  async function start(
    request: LeaseRequest,
    { recorder, progress: report }: RecordedSuite,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<RunningSuite<K3dCluster>> {
    const planned = await planSuite(request, folder, signal)
    if (request.up) await refuseBusyPorts(planned.ports)
    await using failed = new AsyncDisposableStack()
    const up = request.options.cluster === 'up' ? await upStacks.take(request, report, signal) : undefined
    const reservation = failed.use(up ?? (await pool.reserve(request, report, signal)))
    using _begun = pool.standbys.begin(request)
    // What is up has no stand-ins.
    const plan = up && request.bridged.length > 0 ? await planSuite({ ...request, bridged: [] }, folder, signal) : planned
    // The clock runs from here: waiting for a slot is nobody's fault.
    try {
      const suite = await withDeadline({ ...setupDeadline(request), signal }, (each) =>
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
