import { expect, test } from 'vitest'

import { substituteBases } from './build-image.ts'

const substitute = (image: string) => (image.startsWith('node') ? 'mirror/node:24' : image)

test('replaces the images of FROM lines, not the names of stages', () => {
  const dockerfile = 'FROM --platform=linux/amd64 node:24 AS node\nFROM node\nfrom scratch\nCOPY --from=node /a /b\n'
  expect(substituteBases(dockerfile, substitute)).toBe(
    'FROM --platform=linux/amd64 mirror/node:24 AS node\nFROM node\nfrom scratch\nCOPY --from=node /a /b\n',
  )
})

test('replaces the defaults of ARGs ahead of the first FROM only', () => {
  const dockerfile = 'ARG BASE=node:24\nARG OTHER="node:22"\nFROM $BASE\nARG BASE=node:24\n'
  expect(substituteBases(dockerfile, substitute)).toBe(
    'ARG BASE=mirror/node:24\nARG OTHER="mirror/node:24"\nFROM $BASE\nARG BASE=node:24\n',
  )
})
