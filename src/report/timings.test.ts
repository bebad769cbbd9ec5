import { expect, test } from 'vitest'

import { exampleRun } from '../testing/example-run.ts'
import { formatTimings, timingTable, timingsOf } from './timings.ts'

const [orders, billing] = exampleRun.suites

test('sums up what ran at the same time once, and puts the steps into the order of a suite’s life', () => {
  expect(Object.entries(timingsOf(orders!))).toEqual([
    ['queue', 500],
    ['create', 9_500],
    ['image', 3_000],
    ['import', 1_000],
    ['apply', 200],
    ['wait', 4_000],
    ['seed', 2_500],
    ['tests', 6_000],
    ['teardown', 1_500],
    ['total', 27_000],
  ])
})

test('has a column for what takes time somewhere', () => {
  expect(timingTable([orders!, billing!], (time) => `${time / 1000} s`)).toEqual([
    ['suite', 'queue', 'create', 'image', 'import', 'apply', 'wait', 'seed', 'tests', 'teardown', 'total'],
    ['orders', '0.5 s', '9.5 s', '3 s', '1 s', '0.2 s', '4 s', '2.5 s', '6 s', '1.5 s', '27 s'],
    ['billing', '0 s', '8 s', '', '', '', '', '', '', '', '9 s'],
  ])
})

test('is read by machines', () => {
  expect(JSON.parse(formatTimings(exampleRun, String))).toMatchObject({
    version: 1,
    started: '2026-01-02T03:04:05.000Z',
    duration: 40_000,
    suites: [
      {
        name: 'orders',
        state: 'failed',
        milliseconds: { create: 9_500, tests: 6_000, total: 27_000 },
        tests: [
          { name: 'takes stock', state: 'passed', milliseconds: 120 },
          { name: 'refuses', state: 'failed' },
        ],
      },
      { name: 'billing', state: 'failed', tests: [] },
    ],
  })
})
