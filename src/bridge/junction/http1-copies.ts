import { connect } from 'node:net'

import { reset } from '../../support/reset-socket.ts'
import type { Endpoint } from '../rules/endpoint.ts'
import { readAnswer } from './http1-answer.ts'
import { type Source, createSource, next } from './source.ts'
import { offer } from './splice.ts'

/** Copies of one request, under way. */
export interface Copies {
  readonly offer: (bytes: Buffer) => void
  /** The request is complete: each connection ends with its answer. */
  readonly complete: () => void
  /** The caller has said all. */
  readonly end: () => void
  /** The request will not be complete. */
  readonly abandon: () => void
}

/** One connection for each: what its receiver answers, and when, is of no consequence. */
export function startCopies(endpoints: readonly Endpoint[], method: string): Copies {
  const sources = endpoints.map((endpoint) => createSource(connect({ ...endpoint, allowHalfOpen: true, noDelay: true })))
  const sockets = sources.map(({ socket }) => socket)
  const completed = Promise.withResolvers<void>()
  for (const source of sources) ignoreAnswer(source, method, completed.promise).catch(() => source.socket.destroy())
  return {
    offer: (bytes) => offer(sockets, bytes),
    complete: completed.resolve,
    end: () => sockets.forEach((socket) => socket.end()),
    abandon: () => sockets.forEach(reset),
  }
}

async function ignoreAnswer(source: Source, method: string, completed: Promise<void>): Promise<void> {
  const { end } = await readAnswer(source, method, { head() {}, give() {} })
  // What follows a switch is copied as well, and the answer may be there before the request is.
  if (end === 'switched') while (await next(source));
  else if (end === 'complete') await Promise.race([completed, closed(source)])
  source.socket.destroy()
}

async function closed(source: Source): Promise<void> {
  while (await next(source));
}
