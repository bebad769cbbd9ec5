import { expect, test } from 'vitest'

import { overlaps, parseRange } from './ip-range.ts'

const overlap = (a: string, b: string) => overlaps(parseRange(a)!, parseRange(b)!)

test('ranges overlap when one has an address of the other', () => {
  expect(overlap('172.16.0.0/12', '172.18.0.0/16')).toBe(true)
  expect(overlap('172.18.0.0/16', '172.16.0.0/12')).toBe(true)
  expect(overlap('10.42.0.0/16', '10.43.0.0/16')).toBe(false)
  expect(overlap('10.42.3.7/16', '10.42.255.255')).toBe(true)
  expect(overlap('0.0.0.0/0', '192.168.1.1')).toBe(true)
  expect(overlap('fd42::/56', 'fd42:0:0:ff::/64')).toBe(true)
  expect(overlap('fd42::/56', 'fd42:0:0:100::/64')).toBe(false)
  expect(overlap('::/0', '10.0.0.0/8')).toBe(false)
})

test('reads every form of an IPv6 address', () => {
  for (const text of ['fd00:0:0:0:0:0:a00:1', 'fd00::a00:1', 'fd00::10.0.0.1', 'FD00::0A00:0001'])
    expect(parseRange(text)?.first.toString(16)).toBe('fd00000000000000000000000a000001')
  expect(parseRange('::')?.first).toBe(0n)
})

test('what is no range is none', () => {
  for (const text of ['', 'x', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', 'fd00::/129', 'fd00::/x', '10.0.0.0/1.5'])
    expect(parseRange(text), text).toBeUndefined()
})
