import { beforeAll, expect, test } from 'vitest'

import { runVitest } from '../testing/run-vitest.ts'
import { createTempProject } from '../testing/temp-project.ts'

let output: string

beforeAll(async () => {
  ;({ output } = await runVitest('early-errors').ended)
}, 120_000)

/** The error of one suite as vitest prints it, without the frames. */
function errorOf(suite: string): string {
  const start = output.indexOf(` FAIL  early-errors.suite.ts > ${suite}\n`)
  if (start < 0) throw new Error(`Suite "${suite}" did not fail:\n${output}`)
  const lines = output.slice(start).split('\n').slice(1)
  return lines
    .slice(
      0,
      lines.findIndex((line) => line.startsWith(' ❯ ')),
    )
    .join('\n')
}

test.for([
  [
    'absent manifest',
    /^ClusterTestError: Manifest "\.\/absent\.yaml" does not exist: looked at ".*\/fixtures\/suites\/absent\.yaml"\.\nHint: Paths in "manifests" are relative to the test file\.$/,
  ],
  [
    'broken manifest',
    /^ClusterTestError: Manifest "broken\.yaml", document 2 \(line 6\) has no "kind"\.\nHint: It has the keys "apiVersion" and "metadata"\.$/,
  ],
  [
    'absent seed',
    /^ClusterTestError: Seed ".*\/absent\.sql" does not exist or is not a file\.\nHint: Paths in "seed" are relative to the test file, or to the file that calls defineStack\.$/,
  ],
  ['absent folder', /^ClusterTestError: Folder "\.\/absent" in option `images` does not exist: looked at ".*\/absent"\.\nHint: /],
  [
    'absent image',
    /^ClusterTestError: Image "localhost:1\/absent:1" does not exist in Docker and could not be pulled: .*\.\nHint: Check the name with "docker pull localhost:1\/absent:1"/s,
  ],
  [
    'broken build',
    /^ClusterTestError: Building ".*\/broken-image\/Dockerfile" failed at "RUN echo compiling .*": .*returned a non-zero code: 3\n(?: {2}.*\n)* {2}undefined reference\n(?: {2}.*\n)*Hint: Try it alone: docker build /,
  ],
  [
    'stand-in of nothing',
    /^ClusterTestError: Option `bridge\["deployment\/helo"\]\.standIn` names a workload that is not in the manifests\.\nHint: They have "deployment\/hello"\.$/,
  ],
  ['more memory than there is', /^ClusterTestError: The cluster needs 1000 TB of memory, but only .* are free\.\nHint: /],
  ['absent node image', /^ClusterTestError: .*localhost:1\/node:1/s],
  ['no time', /^ClusterTestError: Set-up of suite "no time" took longer than 500 ms\.\nHint: Raise the option "setupTimeout"/],
] as const)('%s', ([suite, message]) => {
  expect(errorOf(suite)).toMatch(message)
})

test('none of their tests ran, nor anything of the suite that is skipped', () => {
  expect(output).not.toContain('it ran')
  expect(output).not.toContain('"skipped"')
})

test('settings of the plugin: the k3d program, the node image, images in place of others', async () => {
  const suites = `import { describe } from 'vitest-kubernetes'
describe.withCluster('substituted', { images: ['busybox:1'] }, (test) => test('never runs', () => {}))
describe.withCluster('node', {}, (test) => test('never runs', () => {}))
`
  const plugin = { imageSubstitutes: { busybox: 'localhost:1/absent:1' }, nodeImage: 'localhost:1/node:2' }
  await using project = await createTempProject({ 'a.test.ts': suites }, { plugin })
  await using other = await createTempProject({ 'a.test.ts': suites }, { plugin: { k3d: '/nowhere/other' } })
  const [{ exitCode, output }, without] = await Promise.all([
    runVitest('', { folder: project.folder }).ended,
    runVitest('', { folder: other.folder }).ended,
  ])
  expect(exitCode).toBe(1)
  expect(output).toMatch(/ClusterTestError: Image "localhost:1\/absent:1" does not exist in Docker and could not be pulled/)
  expect(output).toMatch(/ClusterTestError: .*localhost:1\/node:2/s)
  expect(without.output).toContain('ClusterTestError: The program "/nowhere/other", which starts the clusters, could not be run')
})

test.for([
  [{ maxClusters: 0 }, 'Expected `maxClusters` to be a positive integer, got 0.'],
  [{ idleTimeout: -1 }, 'Expected `idleTimeout` to be a positive number of milliseconds below 2 ** 31, got -1.'],
  [{ teardownTimeout: 2 ** 31 }, 'Expected `teardownTimeout` to be a positive number of milliseconds below 2 ** 31, got 2147483648.'],
] as const)('%j is refused before anything runs', async ([plugin, message]) => {
  await using project = await createTempProject({ 'a.test.ts': `import { test } from 'vitest'\ntest('never runs', () => {})` }, { plugin })
  const run = await runVitest('', { folder: project.folder }).ended
  expect(run.exitCode).toBe(1)
  expect(run.output).toContain(message)
  expect(run.output).not.toContain('1 passed')
})

test.for([true, false])('handleSignals: %s decides who ends the run', async (handleSignals) => {
  const waits = `import { describe, test } from 'vitest-kubernetes'
describe.withCluster('absent', { images: ['localhost:1/absent:1'] }, (test) => test('never runs', () => {}))
test('waits', async () => {
  console.log('it waits')
  await new Promise((resolve) => setTimeout(resolve, 60_000))
})`
  await using project = await createTempProject({ 'a.test.ts': waits }, { plugin: { handleSignals }, test: { testTimeout: 90_000 } })
  const run = runVitest('', { folder: project.folder })
  await run.prints('it waits')
  run.child.kill('SIGTERM')
  expect((await run.ended).output.includes('SIGTERM: removing the clusters.')).toBe(handleSignals)
})

test('without Docker', async () => {
  const run = await runVitest('passes', { env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } }).ended
  expect(run.exitCode).toBe(1)
  expect(run.output).toMatch(
    /ClusterTestError: No Docker engine answers at DOCKER_HOST "unix:\/\/\/nowhere\/docker\.sock": .*\nHint: Start Docker, or point DOCKER_HOST at an engine/,
  )
})

test('without k3d', async () => {
  const run = await runVitest('passes', { env: { VITEST_KUBERNETES_K3D: '/nowhere/k3d' } }).ended
  expect(run.exitCode).toBe(1)
  expect(run.output).toMatch(
    /ClusterTestError: The program "\/nowhere\/k3d", which starts the clusters, could not be run\.\nHint: Install k3d 5/,
  )
})

test('a project without the plugin is named', async () => {
  const alias = { 'vitest-kubernetes': new URL('../index.ts', import.meta.url).pathname }
  const projects = [
    { extends: false, resolve: { alias }, server: { fs: { strict: false } }, test: { name: 'api', include: ['a.test.ts'] } },
  ]
  await using project = await createTempProject(
    {
      'a.test.ts': `import { describe } from 'vitest-kubernetes'
describe.withCluster('suite', {}, (test) => test('never runs', () => {}))`,
    },
    { test: { projects } },
  )
  const { exitCode, output } = await runVitest('', { folder: project.folder }).ended
  expect(exitCode).toBe(1)
  expect(output).toContain(
    'ClusterTestError: The vitest-kubernetes plugin, which owns the clusters, is not in the config of project "api".\nHint: Add it to the project\'s config, or set extends: true in the project: ',
  )
})
