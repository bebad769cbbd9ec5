import { expect, test } from 'vitest'

import { startEngineProxy } from '../testing/engine-proxy.ts'
import { findTraces, runVitest } from '../testing/run-vitest.ts'
import { createTempProject } from '../testing/temp-project.ts'

const files = {
  'a.test.ts': `
import { setTimeout } from 'node:timers/promises'
import { afterAll, describe } from 'vitest-kubernetes'

describe.withCluster('hung', {}, (test) => {
  afterAll(() => {
    throw new Error('the last hook')
  })
  test('ends while the engine hangs', async ({ cluster }) => {
    console.log('the test runs in ' + cluster.name)
    await setTimeout(2_000)
  })
})
`,
}

test(
  'a Docker engine that hangs does not hang a run: the teardown ends in time, and its rest is removed when the engine answers again',
  {
    timeout: 180_000,
  },
  async () => {
    await using engine = await startEngineProxy()
    await using project = await createTempProject(files, { plugin: { teardownTimeout: 3_000 } })
    const run = runVitest('', { folder: project.folder, env: { DOCKER_HOST: engine.address } })
    await run.prints('the test runs in vk-')
    engine.stall()
    const { exitCode, output } = await run.ended
    expect(exitCode).toBe(1)
    expect(output).toContain('Error: the last hook')
    expect(output).toContain('ClusterTestError: Teardown of suite "hung" took longer than 3000 ms.')
    expect(output).toContain('The end of the run took longer than 3000 ms.')
    expect(await findTraces(output)).toContainEqual(expect.stringMatching(/^k3d-vk-\w+-hung-\w+-server-0$/))
    await engine.stop()
    await engine.start()
    await expect.poll(() => findTraces(output), { timeout: 60_000, interval: 500 }).toEqual([])
  },
)
