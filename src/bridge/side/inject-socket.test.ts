import { createSocket } from 'node:dgram'
import { once } from 'node:events'

import { expect, test } from 'vitest'

import { injectSocket } from './inject-socket.ts'

test('binds a socket that is not bound, and closes it in the end, whoever has closed it before', async () => {
  for (const isClosedByUser of [false, true]) {
    const socket = createSocket('udp4')
    const injected = await injectSocket(socket, '127.0.0.1')
    expect(socket.address()).toMatchObject({ address: '127.0.0.1', port: injected.port })
    if (isClosedByUser) await new Promise<void>((resolve) => socket.close(resolve))
    await injected[Symbol.asyncDispose]()
    await injected[Symbol.asyncDispose]()
    expect(() => socket.address()).toThrow('Not running')
  }
})

test('uses a socket for all addresses as it is, also one that is just being bound, and leaves it open', async () => {
  const socket = createSocket('udp4').bind()
  const injected = await injectSocket(socket, '127.0.0.1')
  await injected[Symbol.asyncDispose]()
  expect(socket.address()).toMatchObject({ address: '0.0.0.0', port: injected.port })
  const again = await injectSocket(socket, '127.0.0.1')
  expect(again.port).toBe(injected.port)
  socket.close()
  await again[Symbol.asyncDispose]()
})

test('refuses a socket that cannot be used', async () => {
  const elsewhere = createSocket('udp4').bind(0, '127.0.0.2')
  await once(elsewhere, 'listening')
  await expect(injectSocket(elsewhere, '127.0.0.1')).rejects.toMatchObject({
    code: 'ERR_OPTIONS_INVALID',
    message: expect.stringMatching(/got one bound to 127\.0\.0\.2:\d+\.\n/),
  })
  elsewhere.close()
  const closed = createSocket('udp4')
  await new Promise<void>((resolve) => closed.close(resolve))
  await expect(injectSocket(closed, '127.0.0.1')).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID' })
  const other = createSocket('udp4')
  await expect(injectSocket(other, '192.0.2.1')).rejects.toMatchObject({ code: 'ERR_BRIDGE_HOST_UNREACHABLE' })
  other.close()
})
