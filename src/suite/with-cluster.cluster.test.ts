import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { runLabel } from '../cluster/ownership/owner.ts'
import { connectDocker } from '../docker/docker.ts'
import { findTraces, runVitest } from '../testing/run-vitest.ts'

let folder: string
let kubeconfig: string
const original = 'apiVersion: v1\nkind: Config\ncurrent-context: keep-me\ncontexts: [{ name: keep-me, context: { cluster: c, user: u } }]\n'

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'user-'))
  kubeconfig = join(folder, 'config')
  await writeFile(kubeconfig, original)
})
afterAll(() => rm(folder, { recursive: true }))

const within10s = { timeout: 10_000, interval: 250 }

const userFiles = async () => [
  await readFile(kubeconfig, 'utf8'),
  await stat(join(homedir(), '.kube/config')).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  ),
]

test('suites that pass, fail, and fail in their set-up, two at a time, leave nothing, and the kubeconfig of the user as it was', async () => {
  const before = await userFiles()
  const running = runVitest('passes', { args: ['fails', '--maxWorkers=2'], env: { KUBECONFIG: kubeconfig } })
  // Two at least are there at a time, each with a network of its name.
  await running.prints('k3d cluster "vk-')
  const [, id] = /k3d cluster "vk-([0-9a-f]{6})-/.exec(running.output())!
  let together: readonly string[] = []
  await expect.poll(async () => (together = await networksOf(id!)).length, { timeout: 60_000, interval: 200 }).toBeGreaterThan(1)
  const run = await running.ended
  for (const name of together) expect(run.output).toContain(`k3d cluster "${name}"`)
  expect(run).toMatchObject({ exitCode: 1, output: expect.stringMatching(/Tests {2}1 failed \| 2 passed \| 1 skipped/) })
  for (const message of messages) expect(run.output).toMatch(message)
  await expect.poll(() => findTraces(run.output), within10s).toEqual([])
  expect(await userFiles()).toEqual(before)
})

test('a suite whose server is paused while a bridge is open ends at once, says what it cannot read, and leaves nothing', async () => {
  const running = runVitest('paused')
  await running.prints('paused the server')
  const started = performance.now()
  const run = await running.ended
  expect(performance.now() - started).toBeLessThan(20_000)
  expect(run).toMatchObject({ exitCode: 1, output: expect.stringMatching(/Tests {2}1 failed \(1\)/) })
  expect(run.output).toContain('AssertionError: expected 1 to be 2')
  expect(run.output).toMatch(/The cluster cannot be described: /)
  expect(run.output).not.toMatch(/timed out|took longer than|ERR_CLUSTER_LEFTOVERS/)
  await expect.poll(() => findTraces(run.output), within10s).toEqual([])
})

async function networksOf(run: string): Promise<readonly string[]> {
  const { engine } = await connectDocker()
  return (await engine.listNetworks({ filters: { label: [`${runLabel}=${run}`] } })).map(({ Name }) => Name)
}

const messages = [
  /State of the cluster of suite "fails" when "expects another answer" failed:\nPods:\n {2}default\/hello-\S+ {2}1\/1 ready {2}Running/,
  /ClusterTestError: pod\/crashes: container "app" ended with exit code 7\.\nLast lines of container "app":\n {2}no licence\n/,
  // The frame points at the suite in the test file.
  / ❯ setup-fails\.suite\.ts:10:10\n/,
]
