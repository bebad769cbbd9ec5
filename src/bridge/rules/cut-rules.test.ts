import { expect, test } from 'vitest'

import { changedCut, endedCut, startedCut, templateOfCut } from './cut-rules.ts'

const a = { side: 'A', address: '10.42.0.5' } as const
const b = { side: 'B', address: '10.42.1.7' } as const
const b6 = { side: 'B', address: 'fd00:42::7' } as const

test('drops what goes from one side to the other, either way', () => {
  expect(startedCut('abcd', [a, b, b6], '4')).toMatchInlineSnapshot(`
    "*mangle
    :VK-abcd-APART - [0:0]
    :VK-abcd-A - [0:0]
    :VK-abcd-B - [0:0]
    -A VK-abcd-APART -s 10.42.0.5 -j VK-abcd-B
    -A VK-abcd-A -d 10.42.0.5 -j DROP
    -A VK-abcd-APART -s 10.42.1.7 -j VK-abcd-A
    -A VK-abcd-B -d 10.42.1.7 -j DROP
    -I FORWARD -j VK-abcd-APART
    COMMIT
    "
  `)
  expect(startedCut('abcd', [a, b, b6], '6')).toMatchInlineSnapshot(`
    "*mangle
    :VK-abcd-APART - [0:0]
    :VK-abcd-A - [0:0]
    :VK-abcd-B - [0:0]
    -A VK-abcd-APART -s fd00:42::7 -j VK-abcd-A
    -A VK-abcd-B -d fd00:42::7 -j DROP
    -I FORWARD -j VK-abcd-APART
    COMMIT
    "
  `)
})

test('a change takes what it no longer concerns from the rules, and leaves the rest', () => {
  expect(changedCut('abcd', [b, b6], [a], '4')).toMatchInlineSnapshot(`
    "*mangle
    -D VK-abcd-APART -s 10.42.0.5 -j VK-abcd-B
    -D VK-abcd-A -d 10.42.0.5 -j DROP
    -A VK-abcd-APART -s 10.42.1.7 -j VK-abcd-A
    -A VK-abcd-B -d 10.42.1.7 -j DROP
    COMMIT
    "
  `)
  expect(changedCut('abcd', [b], [a], '6')).toBe('')
})

test('a node puts the address of a pod in that it finds itself', () => {
  const own = templateOfCut('abcd', 'A').replaceAll(/^OP/gm, '-A').replaceAll('ADDRESS', a.address)
  expect(own).toBe(changedCut('abcd', [a], [], '4'))
})

test('nothing is left at the end', () => {
  expect(endedCut('abcd')).toMatchInlineSnapshot(`
    "*mangle
    -D FORWARD -j VK-abcd-APART
    -F VK-abcd-APART
    -F VK-abcd-A
    -F VK-abcd-B
    -X VK-abcd-APART
    -X VK-abcd-A
    -X VK-abcd-B
    COMMIT
    "
  `)
})
