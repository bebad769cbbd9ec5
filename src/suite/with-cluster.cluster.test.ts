import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { connectDocker } from '../docker/docker.ts'
import { findPids, findTraces, runVitest } from '../testing/run-vitest.ts'

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
const within30s = { timeout: 30_000, interval: 500 }

const userFiles = async () => [
  await readFile(kubeconfig, 'utf8'),
  await stat(join(homedir(), '.kube/config')).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  ),
]

test.for([
  ['passes', 0, []],
  [
    'fails',
    1,
    [/State of the cluster of suite "fails" when "expects another answer" failed:\nPods:\n {2}default\/hello-\S+ {2}1\/1 ready {2}Running/],
  ],
  [
    'setup-fails',
    1,
    [
      /ClusterTestError: pod\/crashes: container "app" ended with exit code 7\.\nLast lines of container "app":\n {2}no licence\n/,
      // The frame points at the suite in the test file.
      / ❯ setup-fails\.suite\.ts:10:10\n/,
    ],
  ],
] as const)('a run that %s leaves nothing, and the kubeconfig of the user as it was', async ([suite, exitCode, messages]) => {
  const before = await userFiles()
  const run = await runVitest(suite, { env: { KUBECONFIG: kubeconfig } }).ended
  expect(run).toMatchObject({ exitCode })
  for (const message of messages) expect(run.output).toMatch(message)
  await expect.poll(() => findTraces(run.output), within10s).toEqual([])
  expect(await userFiles()).toEqual(before)
})

test.for([
  ['SIGINT', 'bridges', 130],
  ['SIGTERM', 'long', 143],
] as const)('%s during a test (%s) ends the run and leaves nothing within 10 s', async ([signal, suite, exitCode]) => {
  const run = runVitest(suite)
  await run.prints('the test runs in process')
  process.kill(-run.child.pid!, signal)
  await expect.poll(() => findAll(run.output()), within10s).toEqual([])
  expect(await run.ended).toMatchObject({ exitCode })
})

test('SIGINT during the set-up ends the run and leaves nothing within 10 s', async () => {
  const run = runVitest('long')
  await expect.poll(() => findCreating(run.child.pid!), { timeout: 30_000, interval: 50 }).toMatch(/^vk-/)
  const name = await findCreating(run.child.pid!)
  process.kill(-run.child.pid!, 'SIGINT')
  await expect.poll(() => findTraces(`${name}`), within10s).toEqual([])
  expect(await run.ended).toMatchObject({ exitCode: 130 })
})

test('SIGKILL of the main process leaves nothing within 30 s, nor of the bridges that were open', async () => {
  const run = runVitest('bridges')
  await run.prints('the test runs in process')
  expect(run.output()).toContain('deployment/by-image runs a stand-in for "by-image:dev"')
  expect(await findAll(run.output())).toEqual(expect.arrayContaining([...findNamed(run.output())]))
  run.child.kill('SIGKILL')
  await expect.poll(() => findAll(run.output()), within30s).toEqual([])
})

test('SIGKILL of the worker fails the run and leaves nothing, nor of the bridges that were open', async () => {
  const run = runVitest('bridges')
  await run.prints('the test runs in process')
  process.kill(Number(/in process (\d+)\./.exec(run.output())![1]), 'SIGKILL')
  await expect.poll(() => findAll(run.output()), within30s).toEqual([])
  expect(await run.ended).toMatchObject({ exitCode: 1 })
})

test('when the lifeline is killed too, the next run removes what is left', async () => {
  const dead = runVitest('long')
  await dead.prints('the test runs in process')
  const [, id] = /vk-([0-9a-f]{6})-/.exec(dead.output())!
  for (const pid of await findPids(`lifeline ${id}`)) process.kill(pid, 'SIGKILL')
  dead.child.kill('SIGKILL')
  await dead.ended
  expect(await findTraces(dead.output())).not.toEqual([])

  const next = await runVitest('passes').ended
  expect(next.exitCode).toBe(0)
  expect(next.output).toContain(`removed what dead runs left: "vk-${id}-`)
  expect(await findTraces(dead.output())).toEqual([])
})

/** What the suite `bridges` says of its local sides: processes, folders, and a container. */
function findNamed(output: string): readonly string[] {
  const find = (what: RegExp) => what.exec(output)?.slice(1) ?? []
  return [...find(/^processes (\d+) (\d+)$/m), ...find(/^folders (\S+) (\S+)$/m), ...find(/^container (\w+)$/m)]
}

/** Everything that a run left, and what is left of its local sides. */
async function findAll(output: string): Promise<readonly string[]> {
  const docker = await connectDocker()
  const containers = new Set((await docker.engine.listContainers({ all: true })).map(({ Id }) => Id))
  const left = await Promise.all(
    findNamed(output).map(async (name) => {
      // A process that has ended, and that nobody has asked about, does not run.
      if (/^\d+$/.test(name)) return /^State:\s+[^ZX\s]/m.test(await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')) ? [name] : []
      return existsSync(name) || containers.has(name) ? [name] : []
    }),
  )
  return [...(await findTraces(output)), ...left.flat()]
}

/** The name of the cluster that k3d is creating for a process. */
async function findCreating(pid: number): Promise<string | undefined> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean)
  const commands = await Promise.all(children.map((child) => readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')))
  return commands.map((command) => /cluster\0create\0([^\0]+)/.exec(command)?.[1]).find(Boolean)
}
