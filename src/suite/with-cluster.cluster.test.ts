import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

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

const userFiles = async () => [
  await readFile(kubeconfig, 'utf8'),
  await stat(join(homedir(), '.kube/config')).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  ),
]

test.for([
  ['passes', 0],
  ['fails', 1],
  ['setup-fails', 1],
] as const)('a run that %s leaves nothing, and the kubeconfig of the user as it was', async ([suite, exitCode]) => {
  const before = await userFiles()
  const run = await runVitest(suite, { env: { KUBECONFIG: kubeconfig } }).ended
  expect(run).toMatchObject({ exitCode })
  expect(await findTraces(run.output)).toEqual([])
  expect(await userFiles()).toEqual(before)

  if (suite === 'fails')
    expect(run.output).toMatch(
      /State of the cluster of suite "fails" when "expects another answer" failed:\nPods:\n {2}default\/hello-\S+ {2}1\/1 ready {2}Running/,
    )
  if (suite === 'setup-fails') {
    expect(run.output).toContain(
      'ClusterTestError: pod/crashes: container "app" ended with exit code 7.\nLast lines of container "app":\n  no licence\n',
    )
    // The frame points at the suite in the test file.
    expect(run.output).toMatch(/❯ (chain\.withCluster .*\n[^❯]*❯ )?setup-fails\.suite\.ts:10:10/)
  }
})

test.for(['SIGINT', 'SIGTERM'] as const)('%s during a test ends the run and leaves nothing within 10 s', async (signal) => {
  const run = runVitest('long')
  await run.prints('the test runs')
  const started = performance.now()
  process.kill(-run.child.pid!, signal)
  const { output, exitCode } = await run.ended
  expect(await findTraces(output)).toEqual([])
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(exitCode).toBe({ SIGINT: 130, SIGTERM: 143 }[signal])
})

test('SIGINT during the set-up ends the run and leaves nothing within 10 s', async () => {
  const run = runVitest('long')
  await expect.poll(() => run.output() || findCreating(run.child.pid!), { timeout: 30_000 }).toContain('RUN')
  await expect.poll(() => findCreating(run.child.pid!), { timeout: 30_000, interval: 50 }).toBe('k3d')
  const started = performance.now()
  process.kill(-run.child.pid!, 'SIGINT')
  const { output } = await run.ended
  expect(await findTraces(output)).toEqual([])
  expect(performance.now() - started).toBeLessThan(10_000)
})

test('SIGKILL of the main process leaves nothing within 30 s', async () => {
  const run = runVitest('long')
  await run.prints('the test runs')
  run.child.kill('SIGKILL')
  await expect.poll(() => findTraces(run.output()), { timeout: 30_000, interval: 500 }).toEqual([])
})

/** The name of the program that a process has started, once it is k3d. */
async function findCreating(pid: number): Promise<string> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean)
  const names = await Promise.all(children.map((child) => readFile(`/proc/${child}/comm`, 'utf8').catch(() => '')))
  return names.map((name) => name.trim()).find((name) => name === 'k3d') ?? ''
}
