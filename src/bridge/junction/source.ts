import type { Socket } from 'node:net'

import { reset } from '../../support/reset-socket.ts'

/** What a connection brings, read when it is wanted, and never lost: its order is bytes, then how it ended. */
export interface Source {
  readonly socket: Socket
  /** Nothing more will come, though some may be left. */
  readonly hasEnded: boolean
  /** Nothing more will come, and nothing is left. */
  readonly isOver: boolean
  /** It is over because the connection broke, not because the other end had said all. */
  readonly isBroken: boolean
  /** Whether nothing has come that was not taken. */
  readonly isEmpty: boolean
  /** All that has come; undefined where nothing has. */
  take(): Buffer | undefined
  /** Puts back what was taken and is not needed yet. */
  unread(bytes: Buffer): void
  /** Resolves when there is something new: bytes, or the end. At once where nothing more will come. */
  more(): Promise<void>
  /** The socket as it was, with what has come and was not taken, for somebody else to read. */
  release(): Socket
}

/** Bytes that may wait for whoever reads. */
const limit = 256 << 10

export function createSource(socket: Socket): Source {
  let queue: Buffer[] = []
  let size = 0
  let hasSaidAll = false
  let news: PromiseWithResolvers<void> | undefined
  const tell = () => {
    news?.resolve()
    news = undefined
  }
  const onData = (chunk: Buffer) => {
    queue.push(chunk)
    size += chunk.length
    if (size > limit) socket.pause()
    tell()
  }
  const onEnd = () => {
    hasSaidAll = true
    tell()
  }
  // What becomes of a connection that breaks is for its readers, who see it in its place.
  socket.on('error', () => {})
  socket.on('data', onData).once('end', onEnd).once('close', tell)
  return {
    socket,
    get isEmpty() {
      return size === 0
    },
    get hasEnded() {
      return hasSaidAll || socket.destroyed
    },
    get isOver() {
      return size === 0 && (hasSaidAll || socket.destroyed)
    },
    get isBroken() {
      return !hasSaidAll && socket.destroyed
    },
    take() {
      if (size === 0) return undefined
      const all = queue.length === 1 ? queue[0]! : Buffer.concat(queue)
      queue = []
      if (size > limit) socket.resume()
      size = 0
      return all
    },
    unread(bytes) {
      if (bytes.length === 0) return
      queue.unshift(bytes)
      size += bytes.length
    },
    more() {
      if (hasSaidAll || socket.destroyed) return Promise.resolve()
      news ??= Promise.withResolvers<void>()
      return news.promise
    },
    release() {
      socket.off('data', onData).off('end', onEnd).off('close', tell).pause()
      if (size > 0) socket.unshift(Buffer.concat(queue))
      return socket
    },
  }
}

/** The next bytes; undefined when it is over. */
export async function next(source: Source): Promise<Buffer | undefined> {
  while (true) {
    const bytes = source.take()
    if (bytes || source.isOver) return bytes
    await source.more()
  }
}

/** Writes at the pace of who reads; what nobody can take any more is dropped. */
export async function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (!socket.writable || socket.write(bytes)) return
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.once('drain', done).once('close', done)
  })
}

/** All that is to come, and the end as it comes: an end for an end, a reset for a reset. */
export async function pour(source: Source, to: Socket, look?: (bytes: Buffer) => void): Promise<void> {
  for (let bytes = await next(source); bytes; bytes = await next(source)) {
    look?.(bytes)
    await write(to, bytes)
  }
  passEnd(source, to)
}

/** Ends one connection as another one has ended. */
export function passEnd({ isBroken }: Source, to: Socket): void {
  if (isBroken) reset(to)
  else to.end()
}

/** When a caller's connection breaks, also after it has said all, those that were opened for it break too. */
export function breakWith(caller: Socket, others: () => Iterable<Socket>): void {
  caller.once('close', () => {
    const isBroken = !caller.readableEnded || !caller.writableFinished
    for (const other of others()) if (isBroken) reset(other)
  })
}

/** What is written in one turn becomes one packet. */
export function gather(socket: Socket): void {
  socket.cork()
  process.nextTick(() => socket.uncork())
}
