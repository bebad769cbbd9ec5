import { ClusterTestError, type ErrorCode } from './errors.ts'

export interface Deadline {
  /** Milliseconds. */
  readonly limit: number
  /** Ends the work for another reason, which is thrown as it is. */
  readonly signal?: AbortSignal
  readonly code: ErrorCode
  /** The start of "… took longer than 500 ms." */
  readonly what: string
  readonly hint?: string
}

/**
 * Does work that must end in time. By itself a signal only says that "the operation was aborted due to timeout".
 * @throws ClusterTestError what the work says that it has waited for, or else `code`
 */
export async function withDeadline<T>(
  { limit, signal, code, what, hint }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(limit)
  try {
    return await work(signal ? AbortSignal.any([signal, deadline]) : deadline)
  } catch (error) {
    if (!deadline.aborted || signal?.aborted || error instanceof ClusterTestError) throw error
    throw new ClusterTestError(code, `${what} took longer than ${limit} ms.`, { cause: error, ...(hint && { hint }) })
  }
}

/** Whether a deadline has passed, not somebody cancelled. */
export function isLate({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof DOMException && reason.name === 'TimeoutError'
}

/** Waits for what others wait for too: whoever waits can give up, and they go on. */
export async function whileWaiting<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return work
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Ends what is in the stack, and gives up when that takes longer than so many milliseconds: a hung engine must not hang a run. */
export function disposeWithin(limit: number, what: string, stack: AsyncDisposable): AsyncDisposable {
  const deadline = {
    ...{ limit, what },
    code: 'ERR_CLUSTER_LEFTOVERS',
    hint: 'Raise the option "teardownTimeout" of the plugin. The end of the run removes what is left, and after that a process beside vitest.',
  } as const
  return {
    [Symbol.asyncDispose]: () => withDeadline(deadline, (signal) => whileWaiting(Promise.resolve(stack[Symbol.asyncDispose]()), signal)),
  }
}
