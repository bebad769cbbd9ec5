import { networkInterfaces } from 'node:os'

import { expect, test } from 'vitest'

import { origins, userOf } from './callers.ts'

const of = (address: string, cidr: string, internal = false) =>
  ({ address, cidr, internal, netmask: '', mac: '', family: cidr.includes(':') ? 'IPv6' : 'IPv4', scopeid: 0 }) as NonNullable<
    ReturnType<typeof networkInterfaces>[string]
  >[number]
const interfaces = [
  of('127.0.0.1', '127.0.0.1/8', true),
  of('172.17.0.1', '172.17.0.1/16'),
  of('172.18.0.1', '172.18.0.1/16'),
  of('fd00:1::1', 'fd00:1::1/64'),
]

test.each([
  ['a node of the cluster', '172.18.0.1', '172.18.0.3', 'network'],
  ['a process of this machine', '172.18.0.1', '172.18.0.1', 'machine'],
  ['a process that has bound itself to loopback', '172.18.0.1', '127.0.0.1', 'elsewhere'],
  ['a container of another Docker network', '172.18.0.1', '172.17.0.2', 'elsewhere'],
  ['another machine', '172.18.0.1', '192.168.1.20', 'elsewhere'],
  ['a connection that has ended already', '172.18.0.1', undefined, 'elsewhere'],
  ['a node over IPv6', 'fd00:1::1', 'fd00:1::3', 'network'],
  ['a process of this machine over IPv6, by another spelling', 'fd00:1::1', 'fd00:1:0::1', 'machine'],
  ['anybody at an address that this machine does not have', '172.19.0.1', '172.19.0.2', 'elsewhere'],
  ['a process of this machine at loopback', '127.0.0.1', '127.0.0.1', 'network'],
])('%s', (_, listening, caller, expected) => {
  expect(origins(listening, interfaces)(caller)).toBe(expected)
})

test('the user of a connection within this machine is that of the end which has opened it', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 010012AC:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 010012AC:C350 010012AC:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 010012AC:1F90 010012AC:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 010012AC:C351 010012AC:1F90 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
   4: 010011AC:C352 010012AC:1F90 01 00000000:00000000 00:00000000 00000000     7        0 4 1 0 20 4 30 10 -1
`
  expect(userOf(table, { from: 50_000, to: 8080 })).toBe(1000)
  // Ended, from another address, and not there.
  for (const from of [50_001, 50_002, 50_003]) expect(userOf(table, { from, to: 8080 })).toBeUndefined()
})
