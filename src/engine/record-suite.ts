import type { Recorder, SuiteRecorder } from '../report/recorder.ts'
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
