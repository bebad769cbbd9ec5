import { beforeAll, expect, test } from 'vitest'

import { runVitest } from '../testing/run-vitest.ts'

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
    /^ClusterTestError: Seed ".*\/absent\.sql" does not exist or is no file\.\nHint: Paths in "seed" are relative to the test file, or to the file that calls defineStack\.$/,
  ],
  ['absent folder', /^ClusterTestError: Folder "\.\/absent" of option `images` does not exist: looked at ".*\/absent"\.\nHint: /],
  [
    'absent image',
    /^ClusterTestError: Image "localhost:1\/absent:1" is not in Docker and could not be pulled: .*\.\nHint: Check the name with "docker pull localhost:1\/absent:1"/s,
  ],
  [
    'broken build',
    /^ClusterTestError: Building ".*\/broken-image\/Dockerfile" failed at "RUN echo compiling .*": .*returned a non-zero code: 3\n(?: {2}.*\n)* {2}undefined reference\n(?: {2}.*\n)*Hint: Try it alone: docker build /,
  ],
  [
    'stand-in of nothing',
    /^ClusterTestError: Option `bridge\["deployment\/helo"\]\.standIn` is for a workload that the manifests do not have\.\nHint: They have "deployment\/hello"\.$/,
  ],
  ['more memory than there is', /^ClusterTestError: The cluster needs 1000 TB of memory and .* are free\.\nHint: /],
  ['no time', /^ClusterTestError: The set-up of suite "no time" took longer than 500 ms\.\nHint: Raise the option "setupTimeout"/],
] as const)('%s', ([suite, message]) => {
  expect(errorOf(suite)).toMatch(message)
})

test('none of their tests ran, nor anything of the suite that is skipped', () => {
  expect(output).not.toContain('it ran')
  expect(output).not.toContain('"skipped"')
})

test('without Docker', async () => {
  const run = await runVitest('passes', { env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } }).ended
  expect(run.exitCode).toBe(1)
  expect(run.output).toMatch(
    /ClusterTestError: No Docker engine answers at DOCKER_HOST "unix:\/\/\/nowhere\/docker\.sock": .*\nHint: Start Docker, or point DOCKER_HOST at an engine that runs on this machine/,
  )
})

test('without k3d', async () => {
  const run = await runVitest('passes', { env: { VITEST_KUBERNETES_K3D: '/nowhere/k3d' } }).ended
  expect(run.exitCode).toBe(1)
  expect(run.output).toMatch(
    /ClusterTestError: The program "\/nowhere\/k3d" could not be run; it starts the clusters\.\nHint: Install k3d 5/,
  )
})
