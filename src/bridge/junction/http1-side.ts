import { type Socket, connect } from 'node:net'

import type { Endpoint } from '../rules/endpoint.ts'
import { type ReadHead, readHead } from './http1-head.ts'
import { type Source, createSource, write } from './source.ts'

/** A connection of a caller, and the ones opened for it: one for each side, so that what callers see of keep-alive is what they would see without a bridge. */
export interface Caller {
  readonly source: Source
  readonly socket: Socket
  readonly sides: Map<string, Side>
  /** The one that had the last request. */
  last: Side | undefined
  /** Also before the first request, which it was opened for. */
  isBusy: boolean
}

/** What one caller's connection has open to one side. */
export interface Side {
  readonly source: Source
  readonly socket: Socket
  /** Why it could not be opened. */
  failure: Error | undefined
  /** When it had a request, as performance.now() tells. */
  usedAt: number
}

/** Milliseconds after which a connection to a side that was not the last one is not used again: it may be about to close it. */
const freshness = 1_000

/** Whom a request goes to is the last one from then on. */
export function sideFor(caller: Caller, { host, port }: Endpoint): Side {
  const key = `${host}:${port}`
  const known = caller.sides.get(key)
  const now = performance.now()
  // A caller knows how long the last one lets a connection wait, but not that there are others.
  const isStale = known && known !== caller.last && (now - known.usedAt > freshness || known.source.hasEnded || !known.source.isEmpty)
  if (isStale) known.socket.destroy()
  const side = known && !isStale ? known : openSide(connect({ host, port, allowHalfOpen: true, noDelay: true }))
  caller.sides.set(key, side)
  caller.last = side
  return side
}

function openSide(socket: Socket): Side {
  const side: Side = { source: createSource(socket), socket, failure: undefined, usedAt: performance.now() }
  const onError = (error: Error) => (side.failure = error)
  socket.once('error', onError).once('connect', () => socket.off('error', onError))
  return side
}

/** undefined when the side that had the last request has closed the connection. */
export async function nextRequest({ source, socket, last }: Caller): Promise<ReadHead | undefined> {
  const head = readHead(source)
  if (!last) return head
  let isThere = false
  const settle = () => (isThere = true)
  head.then(settle, settle)
  while (!isThere) {
    await Promise.race([head, last.source.more()])
    // A farewell that nobody has asked for.
    const word = last.source.take()
    if (word) await write(socket, word)
    if (!isThere && last.source.isOver) return undefined
  }
  return head
}
