import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { messageOf } from '../support/errors.ts'
import { runCommand } from '../support/run-command.ts'
import { startEngineProxy } from '../testing/engine-proxy.ts'
import { findTraces, runVitest } from '../testing/run-vitest.ts'
import { createTempProject } from '../testing/temp-project.ts'

const within30s = { timeout: 30_000, interval: 200 }

test(
  'an engine that goes in the set-up of one suite and in a test of another is named; what they have goes once it is back',
  {
    timeout: 180_000,
  },
  async () => {
    await using engine = await startEngineProxy()
    await using project = await createTempProject({
      'a.test.ts': `import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from 'vitest-kubernetes'
describe.withCluster('in a test', {}, (test) => {
  test('asks for the engine', async ({ cluster }) => {
    console.log('the test runs')
    await sleep(3_000)
    const failure = await cluster.run({ image: 'node:24-slim' }).then(() => 'it runs', String)
    console.log('the test says: ' + failure.split('\\n')[0])
  })
})
describe.withCluster('in the set-up', { images: ['node:24-slim', 'busybox:1.37'] }, (test) => test('never runs', () => {}))
`,
    })
    const run = runVitest('', { folder: project.folder, env: { DOCKER_HOST: engine.address } })
    await run.prints('the test runs')
    await engine.stop()
    await run.prints('the test says: ')
    await engine.start()
    await run.prints('✓ in the set-up cluster')
    await engine.stop()
    await run.prints('✗ in the set-up import')
    await engine.start()
    const { exitCode, output } = await run.ended
    const gone = 'ClusterTestError: The Docker engine at unix://.*/docker\\.sock has gone away: .+\\.'
    expect(output).toMatch(new RegExp(`^the test says: ${gone}$`, 'm'))
    expect(output).toMatch(new RegExp(`^ FAIL  a\\.test\\.ts > in the set-up\n${gone}\nHint: `, 'm'))
    expect(exitCode).toBe(1)
    await expect.poll(() => findTraces(output), within30s).toEqual([])
  },
)

test('a full folder for temporary files is named, and leaves nothing', { timeout: 60_000 }, async ({ skip }) => {
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'full-'))
  cleanup.defer(() => rm(folder, { recursive: true }))
  // The folder itself, the run's, and nothing in that.
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=2', 'tmpfs', folder]).catch((error: unknown) =>
    skip(`no file system can be mounted here: ${messageOf(error)}`),
  )
  cleanup.defer(async () => void (await runCommand('umount', [folder])))
  await using project = await createTempProject({
    'a.test.ts': `import { describe } from 'vitest-kubernetes'
describe.withCluster('full', {}, (test) => test('never runs', () => {}))`,
  })
  const { output } = await runVitest('', { folder: project.folder, env: { TMPDIR: folder } }).ended
  expect(output).toMatch(
    new RegExp(
      `ClusterTestError: k3d could not create cluster "vk-.*":\\n.*no space left on device\\nHint: Free space in "${folder}", or set TMPDIR`,
    ),
  )
  await expect.poll(() => findTraces(output), within30s).toEqual([])
})
