import { expect, test } from 'vitest'

import { findAddress } from './create-test-cluster.ts'

const at = (service: string, port: number, portName = '', namespace = 'default') => ({
  namespace,
  service,
  portName,
  port,
  host: '127.0.0.1',
  hostPort: 30_000 + port,
})
const addresses = [
  at('orders', 80, 'http'),
  at('orders', 9090, 'metrics'),
  at('postgres', 5432),
  at('broker', 5672, 'amqp'),
  at('broker', 15_672, 'ui'),
  at('redis', 6379, '', 'cache'),
]

test.for([
  ['orders', undefined, 80],
  ['orders', 'metrics', 9090],
  ['orders', 9090, 9090],
  ['postgres', undefined, 5432],
  ['redis.cache', undefined, 6379],
] as const)('%s port %s', ([service, port, expected]) => {
  expect(findAddress(addresses, 'default', service, port).port).toBe(expected)
})

test.for([
  [
    'order',
    undefined,
    'There is no Service "order" with a TCP port in the cluster.\nHint: It has "orders", "postgres", "broker" and "redis.cache".',
  ],
  ['redis', undefined, 'There is no Service "redis" with a TCP port'],
  ['broker', undefined, 'Service "broker" has several ports, and none is named "http": say which.\nHint: It has 5672 (amqp), 15672 (ui).'],
  ['postgres', 5433, 'Service "postgres" has no TCP port 5433.\nHint: It has 5432.'],
] as const)('%s port %s is refused', ([service, port, message]) => {
  expect(() => findAddress(addresses, 'default', service, port)).toThrow(message)
})
