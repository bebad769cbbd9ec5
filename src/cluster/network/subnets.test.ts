import { expect, test } from 'vitest'

import { parseRange } from '../../support/ip-range.ts'
import { findOverlap, freeSubnets, parseRoutes } from './subnets.ts'

const free = (...taken: string[]) => freeSubnets(taken.map((cidr) => parseRange(cidr)!))

test('offers no subnet that has an address of a range that is taken', () => {
  expect(free()[0]).toBe('172.24.77.0/24')
  expect(free('172.16.0.0/12')[0]).toBe('192.168.100.0/24')
  expect(free('172.16.0.0/12', '192.168.100.7')[0]).toBe('192.168.101.0/24')
  expect(free('172.16.0.0/12', '192.168.0.0/16', '10.60.0.0/16')[0]).toBe('10.61.77.0/24')
  expect(free('172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8')).toEqual([])
})

test('finds which two ranges overlap', () => {
  expect(findOverlap(['10.42.0.0/16', '10.43.0.0/16'], ['172.18.0.0/16', '10.0.0.0/8'])).toEqual(['10.42.0.0/16', '10.0.0.0/8'])
  expect(findOverlap(['10.42.0.0/16', 'fd42::/56'], ['172.18.0.0/16', 'fd43::/64'])).toBeUndefined()
})

test('reads the routes of a machine, without the default route', () => {
  const table = `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t0000000A\t0100000A\t0003\t0\t0\t0\t000000FF\t0\t0\t0
`
  expect(parseRoutes(table)).toEqual(['192.168.0.0/24', '172.17.0.0/16', '10.0.0.0/8'])
})
