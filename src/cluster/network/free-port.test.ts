import { expect, test } from 'vitest'

import { findFreePort, takenPort } from './free-port.ts'

test('is none of those that are given to whoever names none, and another one each time', async () => {
  const ports = await Promise.all(Array.from({ length: 200 }, () => findFreePort()))
  expect(new Set(ports).size).toBe(200)
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(25_000)
  expect(Math.max(...ports)).toBeLessThan(32_768)
})

test.each([
  ['driver failed programming external connectivity on endpoint a (b): Bind for 127.0.0.1:4000 failed: port is already allocated', 4000],
  ['Error starting userland proxy: listen tcp4 127.0.0.1:37871: bind: address already in use', 37_871],
  ['failed to bind host port for [::1]:4001:172.18.0.3:20000/tcp: listen tcp6 [::1]:4001: bind: address already in use', 4001],
  ['port is already allocated', undefined],
  ['Bind for 127.0.0.1:4000 failed: permission denied', undefined],
])('tells which port is taken: %s', (message, port) => {
  expect(takenPort(new Error(message))).toBe(port)
})
