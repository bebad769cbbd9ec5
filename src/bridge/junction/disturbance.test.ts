import { createServer } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { connect, createServer as createTcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, test } from 'vitest'

import { junctionOf, receive, serve } from '../../testing/junction.ts'
import type { Disturbance, SentDisturbance } from './disturbance.ts'
import type { Route } from './route.ts'

const nothing: SentDisturbance = { delay: 0, status: undefined, hang: false, resetAfter: undefined, bandwidth: undefined }
const body = 'x'.repeat(1_000)

/** A route that disturbs, and how to end it. */
function disturbing(disturbance: Partial<Disturbance>, match?: Route['match']): { readonly route: Route; end(): void } {
  const ended = new AbortController()
  const endpoint = { host: '0.0.0.0', port: 0 }
  return {
    route: { id: 'disturbance', endpoint, match, mirror: false, disturbance: { ...nothing, ended: ended.signal, ...disturbance } },
    end: () => ended.abort(),
  }
}

async function timed<T>(action: Promise<T>): Promise<{ readonly value: T; readonly took: number }> {
  const before = performance.now()
  const value = await action
  return { value, took: performance.now() - before }
}

/** The status, what came of the body, and whether it was all; a text where nothing was answered. */
type Asked = { readonly status: number; readonly length: number; readonly isWhole: boolean } | string

async function askHttp1(port: number, path = '/'): Promise<Asked> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n`)
  const { text: received, end } = await receive(socket)
  socket.destroy()
  if (received === '') return end
  const [head = '', rest = ''] = received.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), length: rest.length, isWhole: end === 'end' }
}

async function askHttp2(port: number, path = '/'): Promise<Asked> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  const stream = session.request({ ':path': path })
  let status = 0
  let length = 0
  stream.on('response', (headers) => (status = headers[':status']!))
  stream.on('data', (chunk: Buffer) => (length += chunk.length))
  const error = await new Promise((resolve) => stream.once('error', resolve).once('close', resolve))
  session.destroy()
  return status === 0 ? 'reset' : { status, length, isWhole: error === undefined && stream.rstCode === 0 }
}

const protocols = [
  { name: 'HTTP/1', ask: askHttp1, server: () => createServer((_, response) => void response.end(body)) },
  {
    name: 'HTTP/2',
    ask: askHttp2,
    server: () => createHttp2Server((_, response) => void response.end(body)),
  },
]
const whole = { status: 200, length: body.length, isWhole: true }

describe.each(protocols)('$name', ({ ask, server }) => {
  test('a delay holds each request that fits up, and no other one', async () => {
    const junction = await junctionOf(server())
    junction.add(disturbing({ delay: 300 }, [{ path: '/slow*' }]).route)
    const [slow, quick] = await Promise.all([timed(ask(junction.port, '/slow/1')), timed(ask(junction.port))])
    expect([slow.value, quick.value]).toEqual([whole, whole])
    expect(slow.took).toBeGreaterThan(290)
    expect(slow.took).toBeGreaterThan(quick.took)
  })

  test('a status is answered in place of the workload, which sees nothing of it', async () => {
    let count = 0
    const junction = await junctionOf(server().on('request', () => count++))
    junction.add(disturbing({ status: 503, delay: 10 }).route)
    expect(await ask(junction.port)).toEqual({ status: 503, length: 0, isWhole: true })
    expect(count).toBe(0)
  })

  test('a reset breaks off at once, or after some bytes of the body', async () => {
    const junction = await junctionOf(server())
    junction.add(disturbing({ resetAfter: 0 }).route)
    expect(await ask(junction.port)).toBe('reset')
    junction.remove('disturbance')
    junction.add(disturbing({ resetAfter: 123 }).route)
    expect(await ask(junction.port)).toEqual({ status: 200, length: 123, isWhole: false })
    junction.remove('disturbance')
    junction.add(disturbing({ resetAfter: body.length }).route)
    expect(await ask(junction.port)).toEqual(whole)
  })

  test('what hangs is reset when the disturbance ends, and what waits goes on', async () => {
    const junction = await junctionOf(server())
    const hanging = disturbing({ hang: true }, [{ path: '/hang' }])
    const waiting = disturbing({ delay: 60_000, resetAfter: 0 }, [{ path: '/wait' }])
    junction.add({ ...hanging.route, id: 'hang' })
    junction.add({ ...waiting.route, id: 'wait' })
    const answers = Promise.all([ask(junction.port, '/hang'), ask(junction.port, '/wait')])
    expect(await Promise.race([answers, sleep(200, 'nothing')])).toBe('nothing')
    hanging.end()
    waiting.end()
    expect(await answers).toEqual(['reset', whole])
  })

  test('a bandwidth is that of each answer, until it ends', async () => {
    const junction = await junctionOf(server())
    const { route, end } = disturbing({ bandwidth: 2_000 })
    junction.add(route)
    const { value, took } = await timed(ask(junction.port))
    expect(value).toEqual(whole)
    expect(took).toBeGreaterThan(450)
    junction.remove(route.id)
    const slower = disturbing({ bandwidth: 10 })
    junction.add(slower.route)
    const answer = ask(junction.port)
    expect(await Promise.race([answer, sleep(200, 'nothing')])).toBe('nothing')
    slower.end()
    expect(await answer).toEqual(whole)
    end()
  })

  test('it disturbs what a bridge answers as well', async () => {
    const junction = await junctionOf(server())
    junction.add({
      id: 'local',
      endpoint: await serve(createTcpServer((socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nlocal'))),
      match: undefined,
      mirror: false,
    })
    junction.add(disturbing({ status: 429 }).route)
    expect(await ask(junction.port)).toEqual({ status: 429, length: 0, isWhole: true })
  })

  test('a caller that goes while it waits is not kept, and nothing of it comes to the workload', async () => {
    let count = 0
    const junction = await junctionOf(server().on('request', () => count++))
    junction.add(disturbing({ delay: 100 }).route)
    const socket = connect({ port: junction.port, host: '127.0.0.1' })
    socket.write('GET / HTTP/1.1\r\nHost: shop\r\n\r\n')
    await sleep(50)
    socket.resetAndDestroy()
    await sleep(150)
    expect(count).toBe(0)
    expect(junction.problems).toEqual([])
  })
})

describe('other protocols', () => {
  /** The server speaks first. */
  const mail = () => createTcpServer((socket) => void socket.on('error', () => {}).write(`220 ${body}`, () => socket.end()))
  const ask = async (port: number) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const received = await receive(socket)
    socket.destroy()
    return received
  }

  test('a connection is delayed, reset, broken off and slowed down; one with a match is not', async () => {
    const junction = await junctionOf(mail())
    const all = { text: `220 ${body}`, end: 'end' }
    const under = async (disturbance: Partial<Disturbance>, match?: Route['match']) => {
      const { route } = disturbing(disturbance, match)
      junction.add(route)
      const result = await timed(ask(junction.port))
      junction.remove(route.id)
      return result
    }
    const delayed = await under({ delay: 300 })
    expect(delayed.value).toEqual(all)
    expect(delayed.took).toBeGreaterThan(290)
    expect((await under({ resetAfter: 0 })).value).toEqual({ text: '', end: 'reset' })
    expect((await under({ resetAfter: 7 })).value).toEqual({ text: '220 xxx', end: 'reset' })
    const slow = await under({ bandwidth: 2_000 })
    expect(slow.value).toEqual(all)
    expect(slow.took).toBeGreaterThan(450)
    expect((await under({ status: 503 })).value).toEqual(all)
    expect((await under({ resetAfter: 0 }, [{ path: '/' }])).value).toEqual(all)
  })

  test('what was upgraded from HTTP/1 is broken off and slowed down too', async () => {
    const server = createServer().on('upgrade', (_, socket) => {
      socket.on('error', () => {})
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n${body}`)
    })
    const junction = await junctionOf(server)
    junction.add(disturbing({ resetAfter: 10 }).route)
    const socket = connect({ port: junction.port, host: '127.0.0.1' })
    socket.write('GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
    const { text: received, end } = await receive(socket)
    expect([received.split('\r\n\r\n')[1], end]).toEqual(['x'.repeat(10), 'reset'])
  })
})
