import { readFile } from 'node:fs/promises'

import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { isOwnerDead, ownerLabel } from '../cluster/ownership/owner.ts'
import { connectDocker } from '../docker/docker.ts'
import { runCommand } from '../support/run-command.ts'
import { startEngineProxy } from '../testing/engine-proxy.ts'
import { findRemains, namedIn, publishedPorts } from '../testing/find-remains.ts'
import { createForeigners } from '../testing/foreigners.ts'
import { type RunVitestOptions, findPids, findTraces, runVitest } from '../testing/run-vitest.ts'

/** Ctrl-C takes less than 10 s on a machine with nothing else to do; here another file's clusters start meanwhile. */
const soon = { timeout: 20_000, interval: 250 }
const within30s = { timeout: 30_000, interval: 500 }

describe('ends that vitest sees', () => {
  let run: { readonly exitCode: number | null; readonly output: string }
  beforeAll(async () => {
    const running = runVitest('ends-', { args: ['bridges', '--maxWorkers=2'] })
    await running.prints('the test runs in process')
    process.kill(Number(/in process (\d+)\./.exec(running.output())![1]), 'SIGKILL')
    run = await running.ended
  }, 300_000)

  test.for([
    ['SIGKILL of the worker', /Worker forks emitted error|Worker exited unexpectedly/],
    ['process.exit in a test', /Error: process\.exit unexpectedly called with "3"/],
    ['an uncaught error', /Error: nobody catches it/],
    ['a hook before the tests that throws', /Error: the first hook/],
    ['and one after them', /Error: the last hook/],
    [
      'a time-out while the cluster is created',
      /ClusterTestError: Set-up of suite "takes too long" took longer than 20000 ms\.\nWhat the nodes say:\nk3d-vk-/,
    ],
  ] as const)('%s fails the run, with its reason', ([, message]) => {
    expect(run.output).toMatch(message)
    expect(run.exitCode).toBe(1)
  })

  test('all of them leave nothing, nor of the bridges that were open', async () => {
    expect(namedIn(run.output)).toHaveLength(5)
    await expect.poll(() => findRemains(run.output), soon).toEqual([])
  })
})

test.for([
  ['SIGINT', 'bridges', 130],
  ['SIGTERM', 'waits', 143],
] as const)('%s during a test (%s) ends the run and leaves nothing', async ([signal, suite, exitCode]) => {
  const run = startVitest(suite)
  await run.prints('the test runs in process')
  const ports = await publishedPorts(run.output())
  process.kill(-run.child.pid!, signal)
  await expect.poll(() => findRemains(run.output(), ports), soon).toEqual([])
  expect(await run.ended).toMatchObject({ exitCode })
})

test('SIGINT during the set-up ends the run and leaves nothing', async () => {
  const run = startVitest('waits', { env: { VITEST_KUBERNETES_TEMPLATES: 'false' } })
  await expect.poll(() => findCreating(run.child.pid!), { timeout: 60_000, interval: 50 }).toMatch(/^vk-/)
  const name = await findCreating(run.child.pid!)
  process.kill(-run.child.pid!, 'SIGINT')
  await expect.poll(() => findTraces(`${name}`), soon).toEqual([])
  expect(await run.ended).toMatchObject({ exitCode: 130 })
})

test('SIGINT during a seed ends the run and leaves nothing', async () => {
  const run = startVitest('seeding')
  await run.prints('"true" into pod/store')
  process.kill(-run.child.pid!, 'SIGINT')
  await expect.poll(() => findTraces(run.output()), soon).toEqual([])
  expect(await run.ended).toMatchObject({
    exitCode: 130,
    output: expect.stringMatching(/✗ seeding seed +"sleep 290" into pod\/store/) as string,
  })
})

test.for([
  ['SIGINT', 'SIGINT', 130],
  ['SIGINT', 'SIGTERM', 143],
] as const)('%s and then %s end the run at once, and still nothing is left', async ([first, second, exitCode]) => {
  await using engine = await startEngineProxy()
  const run = startVitest('waits', { env: { DOCKER_HOST: engine.address } })
  await run.prints('the test runs in process')
  // The first one waits for it.
  await engine.stop()
  process.kill(-run.child.pid!, first)
  await run.prints(`${first}: removing the clusters.`)
  process.kill(-run.child.pid!, second)
  const started = performance.now()
  const { output, ...ended } = await run.ended
  expect(ended).toEqual({ exitCode })
  expect(output).not.toMatch(/teardown|close timed out/)
  // After 10 s vitest would end by itself.
  expect(performance.now() - started).toBeLessThan(9_000)
  expect(await findTraces(output)).not.toEqual([])

  await engine.start()
  await expect.poll(() => findTraces(output), within30s).toEqual([])
})

test('SIGKILL of the main process leaves nothing within 30 s, nor of the bridges that were open', async () => {
  const run = startVitest('bridges')
  await run.prints('the test runs in process')
  expect(run.output()).toContain('deployment/by-image runs a stand-in for "by-image:dev"')
  const ports = await publishedPorts(run.output())
  expect(await findRemains(run.output(), ports)).toEqual(
    expect.arrayContaining([...namedIn(run.output()), ...ports.map((port) => `port ${port}`)]),
  )
  run.child.kill('SIGKILL')
  await expect.poll(() => findRemains(run.output(), ports), within30s).toEqual([])
})

test('the next run removes what nobody did, and nothing of a run that lives, nor of others', async () => {
  await using cleanup = new AsyncDisposableStack()
  const [dead, live] = [startVitest('bridges'), startVitest('waits')]
  cleanup.defer(() => void live.child.kill('SIGHUP'))
  await Promise.all([dead, live].map((run) => run.prints('the test runs in process')))
  const [deadName, liveName] = [dead, live].map((run) => /k3d cluster "(vk-\S+)"/.exec(run.output())![1]!)
  for (const pid of await findPids(`lifeline ${deadName!.split('-')[1]}`)) process.kill(pid, 'SIGKILL')
  dead.child.kill('SIGKILL')
  await dead.ended
  expect(await findRemains(dead.output())).toEqual(expect.arrayContaining([...namedIn(dead.output())]))
  // As an engine that is started again does with containers of its restart policy.
  await runCommand('docker', ['restart', '--time', '0', `k3d-${deadName}-server-0`])
  const docker = await connectDocker()
  const foreigners = cleanup.use(await createForeigners(docker, deadName!))
  expect(isOwnerDead(foreigners.rebooted.labels[ownerLabel]!)).toBe(true)

  const next = runVitest('bare')
  await next.prints('Duration ')
  const lastTest = performance.now()
  expect(await next.ended).toMatchObject({ exitCode: 0, output: expect.not.stringContaining('close timed out') as string })
  // A process that something holds up is ended by vitest after 10 s.
  expect(performance.now() - lastTest).toBeLessThan(9_000)
  // Any run that starts meanwhile may have been the next one.
  expect(await findRemains(dead.output())).toEqual([])
  expect(await foreigners.left()).toEqual(foreigners.ofOthers)
  expect(await findTraces(liveName!)).toContain(`k3d-${liveName}-server-0`)

  process.kill(-live.child.pid!, 'SIGHUP')
  await expect.poll(() => findTraces(liveName!), soon).toEqual([])
  expect(await live.ended).toMatchObject({ exitCode: 129 })
})

test('an engine that is restarted meanwhile is waited for, by a run that ends and by the lifeline of one that is killed', async () => {
  await using engine = await startEngineProxy()
  const runs = [0, 1].map(() => startVitest('waits', { env: { DOCKER_HOST: engine.address } }))
  await Promise.all(runs.map((run) => run.prints('the test runs in process')))
  const nodes = runs.map((run) => `k3d-${/k3d cluster "(vk-\S+)"/.exec(run.output())![1]}-server-0`)
  await engine.stop()
  // What an engine does to containers when it goes, and for those of such a restart policy when it is back.
  await runCommand('docker', ['kill', ...nodes])
  const [cancelled, killed] = runs
  process.kill(-cancelled!.child.pid!, 'SIGINT')
  killed!.child.kill('SIGKILL')
  await cancelled!.prints('SIGINT: removing the clusters.')
  await killed!.ended
  await runCommand('docker', ['start', ...nodes])
  expect(await findTraces(nodes.join(' '))).not.toEqual([])

  await engine.start()
  for (const run of runs) await expect.poll(() => findTraces(run.output()), within30s).toEqual([])
  expect(await cancelled!.ended).toMatchObject({ exitCode: 130 })
})

/** One that does not go on when its test fails before it ends it. */
function startVitest(suite: string, options: RunVitestOptions = {}) {
  const run = runVitest(suite, options)
  onTestFinished(() => void run.child.kill('SIGTERM'))
  return run
}

/** The name of the cluster that k3d is creating for a process. */
async function findCreating(pid: number): Promise<string | undefined> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean)
  const commands = await Promise.all(children.map((child) => readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')))
  return commands.map((command) => /cluster\0create\0([^\0]+)/.exec(command)?.[1]).find(Boolean)
}
