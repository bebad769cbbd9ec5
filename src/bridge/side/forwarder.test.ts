import { connect, createServer } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import { receive, serve } from '../../testing/junction.ts'
import { startForwarder } from './forwarder.ts'

async function forwarderTo(target: () => Promise<{ host: string; port: number }>): Promise<number> {
  const forwarder = await startForwarder({ host: '127.0.0.1', port: 0 }, target)
  onTestFinished(() => forwarder[Symbol.asyncDispose]())
  return forwarder.port
}

test('what comes passes, and so does how it ends: by an end or by a reset', async () => {
  for (const ending of ['end', 'reset'] as const) {
    const target = await serve(
      createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', (chunk) =>
          socket.write(chunk, () => setTimeout(() => (ending === 'end' ? socket.end() : socket.resetAndDestroy()), 20)),
        )
      }),
    )
    const socket = connect({ port: await forwarderTo(async () => target), host: '127.0.0.1' })
    socket.write('hello')
    expect(await receive(socket)).toEqual({ text: 'hello', end: ending })
  }
})

test('where nobody listens, and where there is no target, a connection is reset', async () => {
  for (const target of [async () => ({ host: '127.0.0.1', port: 1 }), async () => Promise.reject(new Error('no pod'))]) {
    const socket = connect({ port: await forwarderTo(target), host: '127.0.0.1' })
    expect(await receive(socket)).toEqual({ text: '', end: 'reset' })
  }
})
