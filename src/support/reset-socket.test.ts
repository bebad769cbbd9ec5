import { once } from 'node:events'
import { type Socket, connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { expect, onTestFinished, test } from 'vitest'

import { reset } from './reset-socket.ts'

/** Two ends of a connection, each of which may end while the other goes on. */
async function connection(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const one = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  const [[other]] = (await Promise.all([once(server, 'connection'), once(one, 'connect')])) as [[Socket], unknown]
  return [one, other]
}

/** What becomes of a socket: its errors, and its close, which has to come. */
function follow(socket: Socket): Promise<readonly string[]> {
  const seen: string[] = []
  socket.on('error', (error: NodeJS.ErrnoException) => seen.push(error.code ?? error.message))
  return new Promise((resolve) => socket.once('close', () => resolve(seen)))
}

const starts: readonly (readonly [what: string, start: (socket: Socket) => unknown])[] = [
  ['nothing', () => {}],
  ['text', (socket) => socket.write('text')],
  ['more than the other end has room for, and an end', (socket) => socket.end(Buffer.alloc(50_000_000))],
]
test.each(starts)('the other end sees a reset, after %s', async (_, start) => {
  const [one, other] = await connection()
  const [here, there] = [follow(one), follow(other)]
  start(one)
  reset(one)
  other.resume()
  expect(await here).toEqual([])
  expect(await there).toEqual(['ECONNRESET'])
})

const ends: readonly (readonly [what: string, end: (socket: Socket) => unknown])[] = [
  ['in the same turn', (socket) => socket.end()],
  ['in the same turn, with text', (socket) => socket.end('text')],
  [
    'a turn before',
    (socket) => {
      socket.end()
      return nextTurn()
    },
  ],
]
test.each(ends)('a connection that has ended %s is closed', async (_, end) => {
  const [one, other] = await connection()
  onTestFinished(() => void other.destroy())
  const here = follow(one)
  await end(one)
  reset(one)
  expect(await here).toEqual([])
})

test('what was written before is read before', async () => {
  const [one, other] = await connection()
  const there = follow(other)
  one.write('text')
  reset(one)
  const [text] = (await once(other, 'data')) as [Buffer]
  expect(String(text)).toBe('text')
  expect(await there).toEqual(['ECONNRESET'])
})
