import { expect, test } from 'vitest'

import { fuzzJunction } from './junction.ts'

test('nobody can tell a junction from none: callers and servers at random, always the same ones', async () => {
  const { differences, conversations } = await fuzzJunction({ seconds: 20, seed: 7_000, count: 80 })
  expect(differences).toEqual([])
  expect(conversations).toBeGreaterThan(20)
})
