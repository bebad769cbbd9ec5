import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type RedisReply, encodeCommand, parseCommand, readReplies } from './redis-protocol.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly password: string
}

/** Commands that may be on their way at a time. */
const window = 1000

/**
 * Runs a file of Redis commands, one a line, quoted as redis-cli reads them. Empty lines and those that begin with `#` are left out.
 * @returns the number of commands
 * @throws ClusterTestError `ERR_SEED_FAILED` with the line of the first command that Redis refuses
 */
export async function seedRedis(
  address: RedisAddress,
  source: AsyncIterable<Uint8Array>,
  shown: string,
  signal: AbortSignal,
): Promise<number> {
  const { socket, replies } = await connectRedis(address, shown, signal)
  const waiting: { readonly line: number; readonly text: string }[] = []
  let commands = 0
  const settle = async (until: number) => {
    while (waiting.length > until) {
      const { line, text } = waiting.shift()!
      const { value, done } = await replies.next()
      if (done) throw new ClusterTestError('ERR_SEED_FAILED', `Seed "${shown}", line ${line}: Redis closed the connection.`)
      if (value.error !== undefined)
        throw new ClusterTestError('ERR_SEED_FAILED', `Seed "${shown}", line ${line}: ${value.error}\n  ${text.slice(0, 200)}`)
    }
  }
  try {
    let line = 0
    for await (const text of createInterface({ input: Readable.from(source, { objectMode: false }), crlfDelay: Infinity })) {
      line++
      if (text.trim() === '' || text.startsWith('#')) continue
      const words = parseCommand(text)
      if (!words)
        throw new ClusterTestError('ERR_SEED_FAILED', `Seed "${shown}", line ${line}: a quote is not closed.\n  ${text.slice(0, 200)}`)
      if (!socket.write(encodeCommand(words))) await once(socket, 'drain', { signal })
      waiting.push({ line, text })
      commands++
      if (waiting.length >= window) await settle(window / 2)
    }
    await settle(0)
    return commands
  } finally {
    socket.destroy()
  }
}

interface RedisConnection {
  readonly socket: Socket
  readonly replies: AsyncIterator<RedisReply>
}

/**
 * Connects once Redis takes commands: while it starts there is no connection, and while it loads its data it says LOADING. One that
 * is opened while its Service loses its pod, or gets it back, may lead nowhere (one did, for a minute), and is opened anew.
 */
async function connectRedis({ host, port, password }: RedisAddress, shown: string, signal: AbortSignal): Promise<RedisConnection> {
  for (let last: unknown; ;) {
    if (signal.aborted)
      throw new ClusterTestError(
        'ERR_SEED_FAILED',
        `Seed "${shown}": Redis at ${host}:${port} did not answer: ${messageOf(last ?? signal.reason)}.`,
        { cause: last ?? signal.reason },
      )
    const socket = connect({ host, port, signal })
    const replies = readReplies(socket)
    const ask = async (...words: string[]) => {
      socket.write(encodeCommand(words))
      const { value, done } = await replies.next()
      if (done) throw new Error('Redis closed the connection')
      if (value.error !== undefined) throw new ClusterTestError('ERR_SEED_FAILED', `Seed "${shown}": ${value.error}`)
    }
    try {
      socket.setTimeout(5_000, () => socket.destroy(new Error('no answer within 5 s')))
      await once(socket, 'connect', { signal })
      if (password) await ask('AUTH', password)
      await ask('PING')
      socket.setTimeout(0)
      return { socket, replies }
    } catch (error) {
      socket.destroy()
      if (!isNotYet.test(messageOf(error)) && !signal.aborted) throw error
      last = error
      await sleep(100, undefined, { signal }).catch(() => undefined)
    }
  }
}

const isNotYet = /: LOADING |ECONNREFUSED|ECONNRESET|EPIPE|closed the connection|Premature close|no answer within/
