import { expect, test } from 'vitest'

import { countFreeSubnets, defaultAddressPools } from './address-pools.ts'

test("counts what is left of Docker's pools", () => {
  expect(countFreeSubnets(defaultAddressPools, [])).toEqual({ free: 31, all: 31 })
  expect(countFreeSubnets(defaultAddressPools, ['172.17.0.0/16', '172.22.5.0/24', '192.168.16.0/20'])).toEqual({ free: 28, all: 31 })
  // A network at home takes one, a VPN of all private addresses takes all.
  expect(countFreeSubnets(defaultAddressPools, ['192.168.1.0/24', 'fd00::/64', 'nonsense']).free).toBe(30)
  expect(countFreeSubnets(defaultAddressPools, ['172.16.0.0/12', '192.168.0.0/16']).free).toBe(0)
})

test("counts pools of the engine's settings", () => {
  expect(countFreeSubnets([{ base: '10.10.0.0/16', size: 24 }], ['10.10.7.0/24'])).toEqual({ free: 255, all: 256 })
  expect(countFreeSubnets([{ base: 'fd00::/56', size: 64 }], [])).toEqual({ free: 0, all: 0 })
})
