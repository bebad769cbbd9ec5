import type { KubeObject } from '../kube/object.ts'
import { secretValues } from '../kube/secrets.ts'
import type { Diagnosis } from '../report/diagnosis.ts'
import type { RequestRecord } from '../report/model.ts'
import type { Recorder, SuiteRecorder } from '../report/recorder.ts'
import { formatTimes } from '../report/timings.ts'
import { messageOf } from '../support/errors.ts'
import type { Progress } from '../support/progress.ts'
import type { LeaseRequest } from './request.ts'

export interface RecordedSuite {
  readonly recorder: SuiteRecorder
  /** To the terminal, and into the record. */
  readonly progress: Progress
}

/** Starts a suite and records what becomes of that. */
export async function recordSuite<T>(
  { recorder: runRecorder, progress }: { readonly recorder: Recorder; readonly progress: (suite: string) => Progress },
  { id, suite, file }: LeaseRequest,
  held: AsyncDisposableStack,
  start: (recorded: RecordedSuite) => Promise<T>,
): Promise<T> {
  const recorder = await runRecorder.suite({ id, name: suite, file })
  // The first one in: the suite has ended when all that it held is gone.
  held.defer(() => void (recorder.record.ended ??= Date.now()))
  const toTerminal = progress(suite)
  const report: Progress = (event) => {
    toTerminal(event)
    recorder.progress(event)
  }
  try {
    return await start({ recorder, progress: report })
  } catch (error) {
    recorder.record.failure = recorder.redact(messageOf(error))
    recorder.record.ended = Date.now()
    throw error
  }
}

/** Objects that are about to be applied: for what is written down of the suite, and what of it is secret. */
export function noteObjects(recorder: SuiteRecorder, written: KubeObject[], objects: readonly KubeObject[]): void {
  written.push(...objects)
  recorder.addSecrets(objects.filter(({ kind }) => kind === 'Secret').flatMap(secretValues))
  for (const { metadata } of objects) for (const name of [metadata.name, metadata.namespace]) if (name) recorder.addName(name)
}

/** The parts of a suite that is ready which are about its record: what is written down when tests fail, and at the end. */
export function recordReady(recorder: SuiteRecorder, diagnosis: Diagnosis, signal: AbortSignal) {
  recorder.record.ready = Date.now()
  return {
    bundle: recorder.folder,
    setup: formatTimes(recorder.record),
    testFailed(requests: readonly RequestRecord[]): void {
      recorder.addRequests(requests)
      void diagnosis.collect()
    },
    async finish(failed: boolean, requests: readonly RequestRecord[]): Promise<void> {
      recorder.addRequests(requests)
      recorder.record.finished = Date.now()
      if (failed && !signal.aborted) await diagnosis.collect()
    },
  }
}

/** Milliseconds for a suite's set-up unless it says otherwise. */
const defaultSetupTimeout = 300_000

/** Of a suite's set-up, without the time that it waited for others. */
export function setupDeadline({ suite, options }: LeaseRequest) {
  return {
    limit: options.setupTimeout ?? defaultSetupTimeout,
    code: 'ERR_SETUP_TIMEOUT',
    what: `Set-up of suite "${suite}"`,
    hint: 'Raise the option "setupTimeout" of the suite; the lines above show where the time went.',
  } as const
}
