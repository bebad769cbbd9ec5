import { once } from 'node:events'
import { type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, onTestFinished, test } from 'vitest'

import { junctionOf, receive, serve } from '../../testing/junction.ts'

/** How a test begins: what the caller sends, what the side answers, and what the caller has then. */
const ways = {
  'half an answer': ['GET / HTTP/1.1\r\nX-Side: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
  'an answer without a length': ['GET / HTTP/1.1\r\nX-Side: a\r\n\r\n', 'HTTP/1.0 200 OK\r\n\r\nhalf'],
  'a chunked answer': ['GET / HTTP/1.1\r\nX-Side: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha'],
  'half a head': ['GET / HTTP/1.1\r\nX-Side: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nConte'],
  'an upgrade': [
    'GET / HTTP/1.1\r\nX-Side: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\n\r\nhello',
  ],
  'a whole answer': ['GET / HTTP/1.1\r\nX-Side: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull'],
  'half a request': ['PUT / HTTP/1.1\r\nX-Side: a\r\nContent-Length: 100\r\n\r\nhalf', 'HTTP/1.1 100 Continue\r\n\r\n'],
  'what is no HTTP': ['EHLO me\r\n', '250 ok\r\n'],
} as const

for (const [name, [sent, answer]] of Object.entries(ways))
  for (const ending of ['end', 'reset'] as const) {
    const begin = async () => {
      const accepted = Promise.withResolvers<Socket>()
      const server = () =>
        createServer({ allowHalfOpen: true }, (socket) => {
          socket.on('error', () => {})
          socket.once('data', () => {
            socket.write(answer, () => accepted.resolve(socket))
          })
        })
      const junction = await junctionOf(server())
      junction.add({ id: 'a', endpoint: await serve(server()), match: [{ headers: { 'x-side': 'a' } }], mirror: false })
      const caller = connect({ port: junction.port, host: '127.0.0.1', allowHalfOpen: true })
      // The end of the junction would wait for it.
      onTestFinished(() => void caller.destroy())
      caller.on('error', () => {})
      caller.write(sent)
      return { caller, side: await accepted.promise, junction }
    }
    const finish = (socket: Socket) => (ending === 'reset' ? socket.resetAndDestroy() : socket.end())

    test(`${name}: a caller sees the ${ending} of a side`, async () => {
      const { caller, side, junction } = await begin()
      const received = receive(caller)
      await sleep(20)
      finish(side)
      expect(await received).toEqual({ text: answer, end: ending })
      expect(junction.problems).toEqual([])
    })

    test(`${name}: a side sees the ${ending} of a caller`, async () => {
      const { caller, side, junction } = await begin()
      await sleep(20)
      const received = receive(side)
      finish(caller)
      expect((await received).end).toBe(ending)
      expect(junction.problems).toEqual([])
    })
  }

test('a caller that connects, says nothing and resets ends its own connection, and nothing else', async () => {
  const junction = await junctionOf(createServer((socket) => void socket.on('error', () => {})))
  junction.add({ id: 'a', endpoint: await serve(createServer()), match: [{ path: '/local' }], mirror: false })
  for (const wait of [0, 1, 49, 51, 120]) {
    const caller = connect({ port: junction.port, host: '127.0.0.1' })
    await once(caller, 'connect')
    await sleep(wait)
    caller.resetAndDestroy()
  }
  await sleep(100)
  expect(junction.problems).toEqual([])
})

test('an original that resets a connection on which nobody has spoken resets it for the caller', async () => {
  const junction = await junctionOf(createServer((socket) => void setTimeout(() => socket.resetAndDestroy(), 30)))
  const caller = connect({ port: junction.port, host: '127.0.0.1' })
  expect(await receive(caller)).toEqual({ text: '', end: 'reset' })
  expect(junction.problems).toEqual([])
})

test('a mirror that resets or refuses changes nothing for the caller', async () => {
  const junction = await junctionOf(createServer((socket) => void socket.on('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))))
  const breaking = createServer((socket) => void socket.on('error', () => {}).once('data', () => socket.resetAndDestroy()))
  junction.add({ id: 'a', endpoint: await serve(breaking), match: undefined, mirror: true })
  junction.add({ id: 'b', endpoint: { host: '127.0.0.1', port: 1 }, match: undefined, mirror: true })
  const caller = connect({ port: junction.port, host: '127.0.0.1' })
  for (let request = 0; request < 5; request++) {
    caller.write('GET / HTTP/1.1\r\n\r\n')
    expect(String((await once(caller, 'data'))[0])).toBe('HTTP/1.1 204 No Content\r\n\r\n')
  }
  caller.destroy()
  expect(junction.problems).toEqual([])
})

test('what cannot be found out about a connection ends that connection', async () => {
  const junction = await junctionOf(createServer(), async () => {
    throw new Error('no pod')
  })
  const caller = connect({ port: junction.port, host: '127.0.0.1' })
  caller.write('GET / HTTP/1.1\r\n\r\n')
  expect((await receive(caller)).text).toMatch(/502 Bad Gateway[^]*cannot reach the original: no pod/)
  const other = connect({ port: junction.port, host: '127.0.0.1' })
  other.write('EHLO me\r\n')
  expect((await receive(other)).end).toBe('reset')
  expect(junction.problems).toEqual(['no pod'])
})
