import { expect, test } from 'vitest'

import { createRedact } from './redact.ts'

test('takes a secret out as it is, as base64, in a URL, in JSON, and line by line', () => {
  const redact = createRedact(['p@ss "word"\n', 's3cr3t', 's3cr3t-and-longer', 'first line of a key\nsecond line of a key'])
  expect(redact('a p@ss "word" b')).toBe('a [redacted] b')
  expect(redact(`postgres://u:${encodeURIComponent('p@ss "word"')}@db`)).toBe('postgres://u:[redacted]@db')
  expect(redact(JSON.stringify({ password: 'p@ss "word"' }))).toBe('{"password":"[redacted]"}')
  expect(redact(Buffer.from('s3cr3t').toString('base64'))).toBe('[redacted]')
  expect(redact('s3cr3t-and-longer, s3cr3t')).toBe('[redacted], [redacted]')
  expect(redact('| second line of a key |')).toBe('| [redacted] |')
})

test('leaves what is no secret: short values, words that say nothing, names that are known', () => {
  const redact = createRedact(['abc', 'true', 'postgres', ''], (value) => value === 'postgres')
  expect(redact('abc true pod/postgres-0')).toBe('abc true pod/postgres-0')
})
