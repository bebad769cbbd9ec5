import { expect, test } from 'vitest'

import { parseSize } from './parse-size.ts'

test.for([
  ['160MB', 160e6],
  ['1.5 GB', 1.5e9],
  ['700MiB', 700 * 1024 ** 2],
  ['12k', 12_000],
  ['100', 100],
  [2e6, 2e6],
  ['0MB', undefined],
  ['-1MB', undefined],
  ['MB', undefined],
  ['10 potatoes', undefined],
  [Number.NaN, undefined],
  [undefined, undefined],
] as const)('%s is %s bytes', ([size, bytes]) => expect(parseSize(size)).toBe(bytes))
