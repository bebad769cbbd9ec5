/** One line of what a suite's set-up is doing. */
export interface ProgressEvent {
  readonly kind: 'start' | 'done' | 'failed' | 'note'
  /** The step, such as `cluster`, `images`, `apply`, `wait` or `seed`. */
  readonly step: string
  readonly text: string
  /** Milliseconds; for `done` and `failed`. */
  readonly duration?: number
}

export type Progress = (event: ProgressEvent) => void

/** Runs one step of the set-up and reports its start, its end and the time it took. `done` makes the text of the last line. */
export async function runStep<T>(
  progress: Progress,
  step: string,
  text: string,
  work: () => Promise<T>,
  done?: (result: T) => string,
): Promise<T> {
  const started = performance.now()
  progress({ kind: 'start', step, text })
  try {
    const result = await work()
    progress({ kind: 'done', step, text: done?.(result) ?? text, duration: performance.now() - started })
    return result
  } catch (error) {
    progress({ kind: 'failed', step, text, duration: performance.now() - started })
    throw error
  }
}
