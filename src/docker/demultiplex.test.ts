import { expect, test } from 'vitest'

import { demultiplex } from './demultiplex.ts'

function frame(type: number, text: string): Buffer {
  const header = Buffer.from([type, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([header, Buffer.from(text)])
}

const sent = Buffer.concat([frame(1, 'first'), frame(2, 'oh'), frame(1, ''), frame(2, ''), frame(1, ' and second'), frame(2, ' no')])

test.for([1, 2, 3, 7, 8, 9, 13, 1000])('both outputs arrive whole in pieces of %i bytes', (size) => {
  const errors: Buffer[] = []
  const output: Buffer[] = []
  const split = demultiplex((part) => errors.push(part))
  for (let start = 0; start < sent.length; start += size) output.push(...split(sent.subarray(start, start + size)))
  expect([Buffer.concat(output).toString(), Buffer.concat(errors).toString()]).toEqual(['first and second', 'oh no'])
})

test('a part is not held back until the whole of it is there', () => {
  const split = demultiplex(() => expect.unreachable())
  const parts = [...split(frame(1, 'x'.repeat(100)).subarray(0, 50)), ...split(Buffer.from('x'))]
  expect(parts.map(({ length }) => length)).toEqual([42, 1])
})
