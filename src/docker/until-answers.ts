import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds that an engine may be away, as when it is restarted or upgraded. */
const patience = 60_000

let goneSince: number | undefined

/**
 * Does work that may be done twice, such as a removal, and does it again while no engine answers. Its absence counts once for all
 * that wait: when it has been away for too long, nobody waits any more.
 */
export async function untilAnswers<T>(work: () => Promise<T>, limit = patience): Promise<T> {
  while (true) {
    try {
      const result = await work()
      goneSince = undefined
      return result
    } catch (error) {
      if (!isUnreachable(error)) throw error
      goneSince ??= performance.now()
      if (performance.now() - goneSince > limit) throw error
      await sleep(250)
    }
  }
}

/** Whether the connection failed or broke, so that nobody knows whether the request was heard. */
function isUnreachable(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  return (
    ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ERR_DOCKER_UNAVAILABLE'].includes(String(code)) || (!!cause && isUnreachable(cause))
  )
}
