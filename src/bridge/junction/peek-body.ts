import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { bodyLimit } from './match.ts'

/** Milliseconds for a body to arrive. */
const patience = 1_000

export interface PeekedBody {
  /** The whole body, if it is short and has arrived. */
  readonly text: string | undefined
  /** All of it once more, and what is still to come. */
  readonly body: Readable
}

/** Reads the beginning of a body, so that a decision may depend on it. */
export async function peekBody(source: Readable): Promise<PeekedBody> {
  const iterator = source.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
  const chunks: Buffer[] = []
  const timeout = sleep(patience, undefined, { ref: false })
  let size = 0
  let next = iterator.next()
  let isAll = false
  while (size <= bodyLimit) {
    const read = await Promise.race([next, timeout])
    isAll = read?.done === true
    if (!read || isAll) break
    chunks.push(read.value as Buffer)
    size += (read.value as Buffer).length
    next = iterator.next()
  }
  async function* replay() {
    yield* chunks
    for (let read = await next; !read.done; read = await iterator.next()) yield read.value
  }
  return {
    text: isAll ? Buffer.concat(chunks).toString() : undefined,
    body: Readable.from(replay(), { objectMode: false }),
  }
}
