import { expect, test } from 'vitest'

import { parseCommand } from './redis-protocol.ts'

test.for([
  ['SET a  b', ['SET', 'a', 'b']],
  [String.raw`SET "a b" 'c d'`, ['SET', 'a b', 'c d']],
  [String.raw`"\n\t\x41\"\\\q" 'it\'s \n'`, ['\n\tA"\\q', String.raw`it's \n`]],
  ['SET "" \'\' ', ['SET', '', '']],
  ['SET it"s', ['SET', 'it"s']],
] as const)('%s', ([line, words]) => {
  expect(parseCommand(line)?.map(String)).toEqual(words)
})

test.for(['SET "a', "SET 'a", 'SET "a"b', String.raw`SET "a\"`, String.raw`SET 'a\'`])('%s is not closed', (line) => {
  expect(parseCommand(line)).toBeUndefined()
})

test('a value of 10 MB and 200,000 words take time in proportion', () => {
  const value = 'x'.repeat(10_000_000)
  for (const line of [`SET a "${value}"`, `SET a '${value}'`, `SET a ${value}`]) expect(parseCommand(line)?.[2]?.length).toBe(10_000_000)
  expect(parseCommand(`SET a "${'\\n'.repeat(1_000_000)}"`)?.[2]?.length).toBe(1_000_000)
  expect(parseCommand(`RPUSH a ${'"x" y '.repeat(100_000)}`)).toHaveLength(200_002)
})
