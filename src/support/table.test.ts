import { styleText } from 'node:util'

import { expect, test } from 'vitest'

import { formatAge } from './format.ts'
import { formatTable } from './table.ts'

test('puts rows in columns, and leaves columns out that are empty', () => {
  const rows = [
    ['a', '', '1 MB'],
    [styleText('red', 'long'), '', '100 MB'],
  ]
  expect(formatTable(['name', 'kept', 'size'], rows, [2])).toBe(`name    size\na       1 MB\n${styleText('red', 'long')}  100 MB`)
})

test('says how long something has been there', () => {
  expect([40_000, 180_000, 5 * 3_600_000, 72 * 3_600_000].map(formatAge)).toEqual(['40 s', '3 min', '5 h', '3 days'])
})
