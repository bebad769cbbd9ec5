import { expect, test } from 'vitest'

import { createBodyReader } from './http1-body.ts'

/** What of a text belongs to a body, and what that is made of, or `undefined` where it is none. */
function read(text: string, size: number): readonly [body: string, content: string] | undefined {
  const content: Buffer[] = []
  const reader = createBodyReader('chunked', (bytes) => void content.push(bytes))
  let at = 0
  while (at < text.length && !reader.isDone) {
    const taken = reader.take(Buffer.from(text.slice(at, at + size), 'latin1'))
    if (taken < 0) return undefined
    at += taken
  }
  return [text.slice(0, at), Buffer.concat(content).toString('latin1')]
}

test.for([
  ['0\r\n\r\n', ''],
  ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ['5;a="b;c"\r\nhello\r\n0A \r\n0123456789\r\n000;x\r\n\r\n', 'hello0123456789'],
  ['1\r\n\n\r\n0\r\nX-Sum: 1\r\nX-Name: J\u00f6rg\r\n\r\n', '\n'],
])('%j ends where it says, in any pieces', ([text, content]) => {
  for (const size of [1, 2, 3, 1_000]) expect(read(`${text}GET / HTTP/1.1`, size)).toEqual([text, content])
})

test.for([
  'zz\r\n',
  '\r\n',
  '-1\r\n',
  ' 5\r\nhello',
  '5\nhello',
  '5\r\nhello!\r\n',
  '5;\rx\r\nhello',
  '0\r\nX: a\n\r\n',
  'fffffffffffffff\r\n',
])('%j is none', (text) => {
  for (const size of [1, 2, 3, 1_000]) expect(read(text, size)).toBeUndefined()
})

test('a body with a length ends there, and one that ends with its connection does not', () => {
  const fixed = createBodyReader({ length: 3 })
  expect([fixed.isDone, fixed.take(Buffer.alloc(2)), fixed.isDone, fixed.take(Buffer.alloc(2)), fixed.isDone]).toEqual([
    false,
    2,
    false,
    1,
    true,
  ])
  expect(createBodyReader('none').isDone).toBe(true)
  const open = createBodyReader('until-end')
  expect([open.take(Buffer.alloc(100)), open.isDone]).toEqual([100, false])
})
