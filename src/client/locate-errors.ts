import { ClusterTestError } from '../support/errors.ts'

/**
 * Where an error is to be shown in the test file: what fails in vitest's main process, or after a wait, has a stack of its own.
 * @param caller whose call it is; frames above it are left out
 */
export function callSiteOf(caller: (...args: never) => unknown): { readonly stack?: string } {
  const site = {}
  Error.captureStackTrace(site, caller)
  return site
}

/** Gives an error of this package the frames of a call. */
export function locateError(error: unknown, { stack = '' }: { readonly stack?: string }): unknown {
  if (error instanceof ClusterTestError) error.stack = `${error.name}: ${error.message}\n${stack.replace(/^.*\n/, '')}`
  return error
}

/** An object whose asynchronous methods reject with errors that have a frame where they were called. */
export function withLocatedErrors<T extends object>(object: T): T {
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    const method: unknown = descriptor.value
    if (typeof method !== 'function') continue
    const located = function (this: unknown, ...args: readonly unknown[]): unknown {
      const site = callSiteOf(located)
      const result: unknown = Reflect.apply(method, this, args)
      if (!(result instanceof Promise)) return result
      return result.catch((error: unknown) => {
        throw locateError(error, site)
      })
    }
    Object.defineProperty(object, key, { ...descriptor, value: located })
  }
  return object
}
