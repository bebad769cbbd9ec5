import { createHash, timingSafeEqual } from 'node:crypto'
import { type AddressInfo, type Socket, createServer } from 'node:net'

import { messageLimit } from './codec.ts'
import { readFrames } from './frames.ts'

export interface ListenOptions {
  /** Whoever does not send it first is cut off. */
  readonly token: string
  /** Takes a connection that has sent the token, and returns what takes its frames. */
  readonly onWorker: (socket: Socket) => (content: Buffer) => unknown
  /** Milliseconds until the token has to be there. @default 10_000 */
  readonly patience?: number
}

export interface Listener extends Disposable {
  readonly port: number
}

/** Bytes of the first frame, at most. */
const tokenLimit = 256
/** Connections that have not sent the token yet, at most: any user of the machine can open them. The oldest one makes room. */
const strangerLimit = 64

/** Takes connections of workers on loopback. */
export async function listenForWorkers({ token, onWorker, patience = 10_000 }: ListenOptions): Promise<Listener> {
  const strangers = new Set<Socket>()
  const meet = (socket: Socket) => {
    strangers.add(socket)
    for (const oldest of strangers) if (strangers.size > strangerLimit) leave(oldest)
    // What has arrived while the process was busy comes after a timer.
    const timer = setTimeout(() => setImmediate(() => strangers.has(socket) && socket.destroy()), patience).unref()
    socket.once('close', () => {
      clearTimeout(timer)
      strangers.delete(socket)
    })
  }
  const leave = (socket: Socket) => {
    strangers.delete(socket)
    socket.destroy()
  }
  const server = createServer({ noDelay: true }, (socket) => {
    // A connection that breaks is closed then.
    socket.on('error', () => socket.destroy())
    meet(socket)
    let receive: ((content: Buffer) => unknown) | undefined
    readFrames(
      socket,
      () => (receive ? messageLimit : tokenLimit),
      (content) => {
        if (receive) return void receive(content)
        if (!isEqual(content, token)) return leave(socket)
        strangers.delete(socket)
        receive = onWorker(socket)
      },
    )
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  server.unref()
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.close()
      for (const socket of strangers) leave(socket)
    },
  }
}

/** Takes as long for a wrong token as for the right one. */
function isEqual(given: Buffer, token: string): boolean {
  return timingSafeEqual(sha256(given), sha256(token))
}

function sha256(content: Buffer | string): Buffer {
  return createHash('sha256').update(content).digest()
}
