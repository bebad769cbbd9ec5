import { AsyncLocalStorage } from 'node:async_hooks'
import { fileURLToPath } from 'node:url'

const suites = new AsyncLocalStorage<true>()

/** The folder of this package's own code. */
const ownCode = fileURLToPath(new URL('..', import.meta.url))

/** Does something for a suite, so that errors which nobody waits for can be told from those of others. */
export function runForSuite<T>(work: () => T): T {
  return suites.run(true, work)
}

/**
 * To be asked by listeners for `uncaughtException` and `unhandledRejection`. Node.js calls them where the error came from, but for
 * events of connections that a server has accepted (24.21): these are known by the code that they passed through.
 */
export function comesFromSuite(error: unknown): boolean {
  return suites.getStore() === true || (error instanceof Error && error.stack?.includes(ownCode) === true)
}
