import { expect, test } from 'vitest'

import { findFreePort } from './free-port.ts'

test('is none of those that are given to whoever names none, and another one each time', async () => {
  const ports = await Promise.all(Array.from({ length: 200 }, () => findFreePort()))
  expect(new Set(ports).size).toBe(200)
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(25_000)
  expect(Math.max(...ports)).toBeLessThan(32_768)
})
