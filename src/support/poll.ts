import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Calls `attempt` until it gives a value other than undefined. Errors are not "not yet": they end the poll.
 * Only for things that offer no event to wait for. `interval` is in milliseconds.
 */
export async function poll<T>(attempt: () => Promise<T | undefined>, options: { interval: number; signal: AbortSignal }): Promise<T> {
  for (;;) {
    options.signal.throwIfAborted()
    const value = await attempt()
    if (value !== undefined) return value
    await sleep(options.interval, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted())
  }
}
