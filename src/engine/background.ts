import { messageOf } from '../support/errors.ts'
import type { Progress } from '../support/progress.ts'

/** Work that nobody waits for. */
export interface Background {
  /** What fails is told, unless the signal has ended it. */
  readonly run: (work: (signal: AbortSignal) => Promise<void>) => Promise<void>
  ended(): Promise<unknown>
}

export function createBackground(signal: AbortSignal, report: Progress): Background {
  const running = new Set<Promise<void>>()
  return {
    run: (work) => {
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
