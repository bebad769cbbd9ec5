import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

import { expect, test } from 'vitest'

import { readHostListeners, tryPorts } from './host-listeners.ts'

test('what listens on a port is found by the kernel’s table, and where there is none by a connection', async () => {
  await using server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ports = [{ local: port, protocol: 'tcp' as const }]
  const found = { protocol: 'tcp', port, isLoopback: true, isIPv6: false }
  expect(await readHostListeners(ports)).toContainEqual(found)
  expect(await tryPorts(ports)).toEqual([found])
  await server[Symbol.asyncDispose]()
  expect(await tryPorts(ports)).toEqual([])
})
