import { comesFromSuite } from '../support/suite-context.ts'

const events = ['uncaughtException', 'unhandledRejection'] as const
type Listener = (error: unknown, ...rest: readonly unknown[]) => void

/**
 * Keeps an error that nobody waits for from ending the run, when it comes from what is done for a suite: one caller of a bridge
 * must not cost all suites. Those of others do what they did before.
 */
export function guardRun(onError: (error: unknown) => void): Disposable {
  const owned = new DisposableStack()
  for (const event of events) {
    const former = process.listeners(event as 'uncaughtException') as Listener[]
    const listener: Listener = (error, ...rest) => {
      if (comesFromSuite(error)) return onError(error)
      for (const each of former) each(error, ...rest)
      if (former.length > 0) return undefined
      // Without a listener the process ends.
      owned.dispose()
      process.nextTick(() => {
        throw error
      })
    }
    process.removeAllListeners(event).on(event, listener)
    owned.defer(() => {
      process.off(event, listener)
      for (const each of former) process.on(event, each)
    })
  }
  return owned
}
