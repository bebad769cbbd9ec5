import { messageOf } from '../support/errors.ts'

/** What ends while nobody waits for it. Disposal does, and throws what has failed: it must not look like a green run. */
export interface Endings extends AsyncDisposable {
  add(end: Promise<void>): void
}

export function createEndings(): Endings {
  const ending = new Set<Promise<void>>()
  return {
    add(end) {
      ending.add(end)
      end.then(
        () => ending.delete(end),
        // Stays among those that the end of the run reports.
        () => undefined,
      )
    },
    async [Symbol.asyncDispose]() {
      const ended = await Promise.allSettled(ending)
      const errors = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
      if (errors.length > 0) throw errors.length > 1 ? new AggregateError(errors, errors.map(messageOf).join('\n')) : errors[0]
    },
  }
}
