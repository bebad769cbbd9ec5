import { createBodyReader } from './http1-body.ts'
import { type Http1Answer, parseAnswer, readHead } from './http1-head.ts'
import { type Source, next } from './source.ts'

/**
 * How an answer has ended:
 * - complete: another request may follow, unless it `isLast`
 * - switched: what follows is of another protocol
 * - cut off: the connection was over before
 * - unreadable: it is no answer of HTTP/1, or not as it says of itself; `rest` is what was read and not given
 */
export type ReadAnswer =
  | { readonly end: 'complete'; readonly isLast: boolean }
  | { readonly end: 'switched' }
  | { readonly end: 'cut off'; readonly hasBegun: boolean }
  | { readonly end: 'unreadable'; readonly hasBegun: boolean; readonly rest: Buffer }

export interface AnswerSink {
  /** `bytes` are a head, as it came: of the answer, or of an interim one before it. */
  head(bytes: Buffer, answer: Http1Answer): void | Promise<void>
  /** `bytes` are some of a body, or of a head that has no end. */
  give(bytes: Buffer): void | Promise<void>
}

/** Reads one answer, and the interim ones before it. */
export async function readAnswer(source: Source, method: string, sink: AnswerSink): Promise<ReadAnswer> {
  while (true) {
    const { bytes, end } = await readHead(source)
    if (end === 'cut off') {
      if (bytes.length > 0) await sink.give(bytes)
      return { end, hasBegun: bytes.length > 0 }
    }
    const answer = end === 'complete' ? parseAnswer(bytes, method) : undefined
    if (!answer) return { end: 'unreadable', hasBegun: false, rest: bytes }
    await sink.head(bytes, answer)
    const { status, isLast } = answer
    if (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300)) return { end: 'switched' }
    if (status < 200) continue
    const body = createBodyReader(answer.framing)
    while (!body.isDone) {
      const more = await next(source)
      // Where the end of the connection is the end of the answer, how it ends is for who passes it on.
      if (!more) return { end: 'cut off', hasBegun: true }
      const taken = body.take(more)
      if (taken < 0) return { end: 'unreadable', hasBegun: true, rest: more }
      if (taken < more.length) source.unread(more.subarray(taken))
      await sink.give(taken < more.length ? more.subarray(0, taken) : more)
    }
    return { end: 'complete', isLast }
  }
}
