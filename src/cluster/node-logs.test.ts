import { expect, test } from 'vitest'

import { hintOf, selectLines } from './node-logs.ts'

const info = Array.from({ length: 30 }, (_, index) => `time="2026-01-01T00:00:${index}Z" level=info msg="Waiting"`)
const fatal = (what: string) => `time="2026-01-01T00:00:00Z" level=fatal msg="${what}"`

test('picks the lines that tell why, however much was printed after them', () => {
  const lines = [
    fatal('no cgroup'),
    ...info,
    'F0101 00:00:00.1 1 server.go:1] kubelet',
    ...info,
    'panic: nil',
    'inotify_init: too many open files',
    ...info,
  ]
  expect(selectLines(lines)).toEqual([
    fatal('no cgroup'),
    'F0101 00:00:00.1 1 server.go:1] kubelet',
    'panic: nil',
    'inotify_init: too many open files',
    ...info.slice(-10),
  ])
})

test('has the last ones of a node that starts over and over, none twice, and all of a short log', () => {
  const often = Array.from({ length: 20 }, (_, index) => fatal(`start ${index}`))
  expect(selectLines(often)).toEqual(often.slice(5))
  expect(selectLines(info.slice(0, 3))).toEqual(info.slice(0, 3))
})

test('names the cure where the lines name a limit', () => {
  expect(hintOf('  fsnotify watcher: too many open files')).toMatch(/sudo sysctl fs\.inotify\.max_user_instances=512/)
  expect(hintOf(info.join('\n'))).toBe(undefined)
})
