import { expect, test } from 'vitest'

import { findTraces, runVitest } from '../testing/run-vitest.ts'
import { createTempProject } from '../testing/temp-project.ts'

/** Ten files that all want a cluster at once: three clusters, two at a time. */
const files = Object.fromEntries(
  Array.from({ length: 10 }, (_, index) => {
    const options = [`{}`, `{ cluster: 'shared' }`, `{ cluster: 'shared', nodeEnv: { KIND: 'other' } }`][index < 1 ? 0 : 1 + (index % 2)]
    const text = `import { describe, expect } from 'vitest-kubernetes'
describe.withCluster('suite ${index}', ${options}, (test) => test('runs', ({ cluster }) => expect(cluster.name).toMatch(/^vk-/)))`
    return [`file-${index}.test.ts`, text]
  }),
)

test('ten files finish with two clusters at a time; who waits is told, and no time-out counts it', { timeout: 300_000 }, async () => {
  await using project = await createTempProject(files, { plugin: { maxClusters: 2 }, test: { maxWorkers: 10, hookTimeout: 1_000 } })
  const { exitCode, output } = await runVitest('', { folder: project.folder }).ended
  expect(output).toMatch(/Tests {2}10 passed/)
  expect(exitCode).toBe(0)
  expect(output).toMatch(/! suite \d cluster +waiting for one of 2 slots/)
  expect(await findTraces(output)).toEqual([])
})

test('a run that is to end with the first failure leaves nothing', { timeout: 120_000 }, async () => {
  const text = (index: number, body: string) => `import { describe, expect } from 'vitest-kubernetes'
describe.withCluster('suite ${index}', { cluster: 'shared' }, (test) => test('runs', () => ${body}))`
  await using project = await createTempProject({
    'a.test.ts': text(1, 'expect.fail("at once")'),
    'b.test.ts': text(2, 'new Promise((resolve) => setTimeout(resolve, 2_000))'),
  })
  const { exitCode, output } = await runVitest('', { folder: project.folder, args: ['--bail=1', '--maxWorkers=2'] }).ended
  expect(exitCode).toBe(1)
  expect(await findTraces(output)).toEqual([])
})
