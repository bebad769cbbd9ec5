import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { type BodyReader, createBodyReader } from './http1-body.ts'
import type { Framing } from './http1-head.ts'
import { bodyLimit } from './match.ts'
import type { Source } from './source.ts'

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
  const body = Readable.from(replay(), { objectMode: false })
  // What breaks is the stream that it is read from, and that is seen there.
  body.on('error', () => {})
  next.catch(() => {})
  return { text: isAll ? Buffer.concat(chunks).toString() : undefined, body }
}

export interface PeekedHttp1Body {
  /** The whole body, if it is short and has arrived. */
  readonly text: string | undefined
  /** What has come of it, as it came. */
  readonly begun: readonly Buffer[]
  /** For what is still to come. */
  readonly body: BodyReader
}

/** The same for HTTP/1. */
export async function peekHttp1Body(source: Source, framing: Framing, isWanted: boolean): Promise<PeekedHttp1Body> {
  if (!isWanted) return { text: undefined, begun: [], body: createBodyReader(framing) }
  const begun: Buffer[] = []
  let content: Buffer[] = []
  let size = 0
  const body = createBodyReader(framing, (bytes) => {
    size += bytes.length
    if (size <= bodyLimit) content.push(bytes)
    else content = []
  })
  const late = Promise.withResolvers<void>()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    late.resolve()
  }, patience)
  while (!body.isDone && size <= bodyLimit && !isLate) {
    const bytes = source.take()
    if (!bytes && source.isOver) break
    if (!bytes) {
      await Promise.race([source.more(), late.promise])
      continue
    }
    const taken = body.take(bytes)
    source.unread(bytes.subarray(Math.max(taken, 0)))
    if (taken < 0) break
    begun.push(bytes.subarray(0, taken))
  }
  clearTimeout(timer)
  return { text: body.isDone && size <= bodyLimit ? Buffer.concat(content).toString() : undefined, begun, body }
}
