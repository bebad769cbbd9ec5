import type { Vitest } from 'vitest/node'

import type { LeaseRequest } from '../engine/request.ts'
import { createWatchedPaths } from '../engine/watched-paths.ts'

/** Lets a change of a manifest, a seed or a source of an image start the tests of its suites. Returns what to call with each suite. @param outputs what a run writes */
export function rerunOnChange(vitest: Vitest, outputs: readonly string[]): (request: LeaseRequest) => void {
  const watched = createWatchedPaths(outputs)
  const patterns = (vitest.config.watchTriggerPatterns ??= [])
  patterns.push({
    pattern: /./,
    testsToRun(file) {
      const tests = watched.testsOf(file)
      if (tests.length === 0) return undefined
      // What a pattern takes, vitest 5.1 looks for in no module graph any more: those that import the file would not run.
      ;(vitest.watcher as unknown as { handleFileChanged?(file: string): boolean }).handleFileChanged?.(file)
      return [...tests]
    },
  })
  return (request) => void vitest.vite.watcher.add([...watched.add(request).paths])
}
