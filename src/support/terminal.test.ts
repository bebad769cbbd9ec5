import { stripVTControlCharacters } from 'node:util'

import { expect, test, vi } from 'vitest'

import { createTerminalProgress } from './terminal.ts'

test('a step that takes long says so in one line each, whatever a program has printed', () => {
  vi.useFakeTimers()
  try {
    const lines: string[] = []
    const progress = createTerminalProgress((line) => lines.push(stripVTControlCharacters(line)))('shop')
    progress({ kind: 'start', step: 'wait', text: 'pod "db-0": psql: error\n\tIs the server running?\r\n' })
    vi.advanceTimersByTime(31_000)
    progress({ kind: 'done', step: 'wait', text: 'ready', duration: 31_000 })
    vi.advanceTimersByTime(31_000)
    expect(lines).toEqual([
      expect.stringMatching(/^ … shop wait {5}pod "db-0": psql: error Is the server running\? +15.0 s$/),
      expect.stringMatching(/^ … shop wait {5}pod "db-0": psql: error Is the server running\? +30.0 s$/),
      expect.stringMatching(/^ ✓ shop wait {5}ready +31.0 s$/),
    ])
  } finally {
    vi.useRealTimers()
  }
})
