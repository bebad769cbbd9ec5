import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as next } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { createHelm } from './helm.ts'

test('the plugin of a run is whole at any moment, while further suites prepare Helm', async () => {
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'helm-'))
  cleanup.defer(() => rm(folder, { recursive: true }))
  await createHelm(folder)
  let isOver = false
  const others = Promise.all(Array.from({ length: 10 }, () => createHelm(folder))).finally(() => (isOver = true))
  let reads = 0
  while (!isOver) {
    const plugin = JSON.parse(readFileSync(join(folder, 'helm/data/plugins/vitest-kubernetes/plugin.yaml'), 'utf8')) as { name: string }
    expect(plugin.name).toBe('vitest-kubernetes')
    reads++
    await next()
  }
  await others
  expect(reads).toBeGreaterThan(100)
})
