import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import { reset } from '../../support/reset-socket.ts'

/** Connections whose other ends a program opens, all through its standard input and output: relay/tunnel.go says what passes there. */
export interface Tunnel {
  readonly isClosed: boolean
  /** Makes one of a connection of this machine and one that is opened to an address: `127.0.0.1:6443`. */
  join(local: Socket, address: string): Joined | undefined
  /** Whether its other end is there. */
  answers(): Promise<boolean>
  /** Whether a connection to an address can be opened. */
  reaches(address: string): Promise<boolean>
  /** Why none can be: `dial tcp 10.43.0.1:80: connect: connection refused`. undefined where it can. */
  whyUnreached(address: string): Promise<string | undefined>
  close(): void
}

/** A connection through a tunnel. */
export interface Joined {
  /** Milliseconds since bytes came from the other end, or it was opened; undefined while an answer is to be expected. */
  readonly idle: number | undefined
}

/** Number of the connection and length of what follows, and a letter. */
const headerSize = 9
/** Bytes that may be under way to the other end of a connection: those that wait there for whoever does not read. */
const windowSize = 1 << 20
/** And of all connections, which share this when they are many; no more than a few times of it come together while they become so. */
const sharedSize = 32 << 20
const leastWindow = 32 << 10

/** Milliseconds: what stands between may close a connection that is silent for some minutes, or lose it without a word. */
const pingInterval = 4_000
/** Answers that may be due: a debugger may have held this process up, and what has come meanwhile is read after its timers. */
const patience = 2

/** What is told of a connection. */
interface Way {
  opened?(): void
  bytes?(part: Buffer): void
  room?(size: number): void
  end?(): void
  answered?(): void
  reset(why?: string): void
}

/**
 * @param connection to the standard input and output of the program
 * @param split takes apart what comes
 */
export function openTunnel(connection: Duplex, split: (chunk: Buffer) => readonly Buffer[]): Tunnel {
  const ways = new Map<number, Way>()
  let last = 0
  let isClosed = false
  let unanswered = 0
  /** Connections with bytes under way. */
  let busy = 0
  const close = () => {
    isClosed = true
    clearInterval(pings)
    connection.destroy()
    for (const way of ways.values()) way.reset()
    ways.clear()
  }
  const send = (number: number, letter: string, content: Buffer | string = '') => {
    if (isClosed) return
    const bytes = Buffer.from(content)
    const header = Buffer.allocUnsafe(headerSize)
    header.writeUInt32BE(number, 0)
    header.writeUInt32BE(bytes.length, 4)
    header.write(letter, 8, 'latin1')
    connection.write(Buffer.concat([header, bytes]))
  }
  const open = (address: string, way: Way): number => {
    const number = ++last
    ways.set(number, way)
    send(number, 'o', address)
    return number
  }
  const pings = setInterval(() => {
    if (unanswered >= patience) return close()
    unanswered += 1
    send(0, 'p')
  }, pingInterval).unref()
  const take = (number: number, letter: string, content: Buffer) => {
    unanswered = 0
    const way = ways.get(number)
    if (letter === 'o') way?.opened?.()
    if (letter === 'd') way?.bytes?.(content)
    if (letter === 'c') way?.room?.(Number(content.toString()))
    if (letter === 'e') way?.end?.()
    if (letter === 'p') way?.answered?.()
    if (letter === 'r') {
      ways.delete(number)
      way?.reset(content.toString())
    }
  }
  const read = createMessageReader(take)
  connection.on('data', (chunk: Buffer) => {
    for (const part of split(chunk)) read(part)
  })
  connection.on('error', close).on('end', close).on('close', close)

  return {
    get isClosed() {
      return isClosed
    },
    join(local, address) {
      if (isClosed) {
        reset(local)
        return undefined
      }
      /** Sent, and not passed on yet. */
      let waiting = 0
      let ends = 0
      let last = performance.now()
      let isAsked = false
      const windowNow = () => Math.max(leastWindow, Math.min(windowSize, sharedSize / Math.max(1, busy)))
      const count = (size: number) => {
        busy += Number(waiting === 0 && size > 0)
        waiting += size
        busy -= Number(waiting === 0 && size < 0)
      }
      const countEnd = () => ++ends === 2 && ways.delete(number)
      const number = open(address, {
        bytes(part) {
          last = performance.now()
          isAsked = false
          local.write(part, (error) => {
            if (!error) send(number, 'c', String(part.length))
          })
        },
        room(size) {
          count(-size)
          if (waiting < windowNow()) local.resume()
        },
        end() {
          local.end()
          countEnd()
        },
        reset: () => reset(local),
      })
      local.on('data', (bytes: Buffer) => {
        isAsked = true
        send(number, 'd', bytes)
        count(bytes.length)
        if (waiting >= windowNow()) local.pause()
      })
      local.once('end', () => {
        send(number, 'e')
        countEnd()
      })
      local.once('close', () => {
        count(-waiting)
        if (ways.delete(number)) send(number, 'r')
      })
      // Its close follows.
      local.on('error', () => {})
      local.resume()
      return {
        get idle() {
          return isAsked ? undefined : performance.now() - last
        },
      }
    },
    answers() {
      if (isClosed) return Promise.resolve(false)
      // No connection has this number.
      send(0, 'p')
      return new Promise((resolve) => {
        ways.set(0, { answered: () => resolve(ways.delete(0)), reset: () => resolve(false) })
      })
    },
    async reaches(address) {
      return (await this.whyUnreached(address)) === undefined
    },
    whyUnreached(address) {
      if (isClosed) return Promise.resolve('the tunnel is closed')
      return new Promise((resolve) => {
        const number = open(address, {
          opened() {
            ways.delete(number)
            send(number, 'r')
            resolve(undefined)
          },
          reset: (why = 'the tunnel was closed') => resolve(why),
        })
      })
    },
    close,
  }
}

function createMessageReader(onMessage: (number: number, letter: string, content: Buffer) => void): (bytes: Buffer) => void {
  let come: Buffer = Buffer.alloc(0)
  return (bytes) => {
    come = come.length > 0 ? Buffer.concat([come, bytes]) : bytes
    while (come.length >= headerSize) {
      const end = headerSize + come.readUInt32BE(4)
      if (come.length < end) return
      const message = come
      come = come.subarray(end)
      onMessage(message.readUInt32BE(0), String.fromCharCode(message[8]!), message.subarray(headerSize, end))
    }
  }
}
