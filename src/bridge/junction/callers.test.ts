import { networkInterfaces } from 'node:os'

import { expect, test } from 'vitest'

import { callersOf } from './callers.ts'

const of = (address: string, cidr: string, internal = false) =>
  ({ address, cidr, internal, netmask: '', mac: '', family: cidr.includes(':') ? 'IPv6' : 'IPv4', scopeid: 0 }) as NonNullable<
    ReturnType<typeof networkInterfaces>[string]
  >[number]
const interfaces = [
  of('127.0.0.1', '127.0.0.1/8', true),
  of('192.168.1.2', '192.168.1.2/24'),
  of('172.17.0.1', '172.17.0.1/16'),
  of('172.18.0.1', '172.18.0.1/16'),
  of('fd00:1::1', 'fd00:1::1/64'),
]

test.each([
  ['a node of the cluster', '172.18.0.1', '172.18.0.3', true],
  ['a process of this machine', '172.18.0.1', '172.18.0.1', true],
  ['a process of this machine that Docker masquerades', '172.18.0.1', '192.168.1.2', true],
  ['a process that has bound itself to loopback', '172.18.0.1', '127.0.0.1', false],
  ['a container of another Docker network', '172.18.0.1', '172.17.0.2', false],
  ['another machine', '172.18.0.1', '192.168.1.20', false],
  ['a connection that has ended already', '172.18.0.1', undefined, false],
  ['a node over IPv6', 'fd00:1::1', 'fd00:1::3', true],
  ['a process of this machine over IPv6, by another spelling', 'fd00:1::1', 'fd00:1:0::1', true],
  ['anybody at an address that this machine does not have', '172.19.0.1', '172.19.0.2', false],
  ['a process of this machine at loopback', '127.0.0.1', '127.0.0.1', true],
])('%s', (_, listening, caller, expected) => {
  expect(callersOf(listening, interfaces)(caller)).toBe(expected)
})
