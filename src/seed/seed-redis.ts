import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

import { ClusterTestError } from '../support/errors.ts'
import { encodeCommand, parseCommand, readReplies } from './redis-protocol.ts'

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
  { host, port, password }: RedisAddress,
  source: AsyncIterable<Uint8Array>,
  shown: string,
  signal: AbortSignal,
): Promise<number> {
  const socket = connect({ host, port, signal })
  await once(socket, 'connect', { signal })
  const replies = readReplies(socket)
  const waiting: { readonly line: number; readonly text: string }[] = []
  let commands = 0
  const settle = async (until: number) => {
    while (waiting.length > until) {
      const { line, text } = waiting.shift()!
      const { value, done } = await replies.next()
      if (done) throw new ClusterTestError('ERR_SEED_FAILED', `Seed "${shown}", line ${line}: Redis closed the connection.`)
      if (value.error !== undefined)
        throw new ClusterTestError(
          'ERR_SEED_FAILED',
          `Seed "${shown}"${line ? `, line ${line}` : ''}: ${value.error}${line ? `\n  ${text.slice(0, 200)}` : ''}`,
        )
    }
  }
  try {
    if (password) {
      socket.write(encodeCommand(['AUTH', password]))
      waiting.push({ line: 0, text: '' })
      await settle(0)
    }
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
