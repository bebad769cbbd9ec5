import { expect, test } from 'vitest'

import { takeInventory } from '../cluster/ownership/inventory.ts'
import { findCluster } from './find-cluster.ts'
import { checkRuns, planPrune } from './plan-prune.ts'
import { runCli } from './run-cli.ts'

async function run(...argv: string[]) {
  const out: string[] = []
  const err: string[] = []
  const context = { print: (line: string) => out.push(line), note: (line: string) => err.push(line), env: {}, cwd: '/' }
  return { exitCode: await runCli(argv, context), out: out.join('\n'), err: err.join('\n') }
}

test('helps', async () => {
  const { exitCode, out } = await run()
  expect(exitCode).toBe(0)
  for (const command of ['list', 'logs', 'prune', 'doctor']) {
    expect(out).toContain(`vitest-kubernetes ${command}`)
    const help = await run(command, '--help')
    expect(help).toMatchObject({ exitCode: 0, err: '' })
    expect(help.out).toMatch(new RegExp(`^Usage: vitest-kubernetes ${command} .*--json`, 's'))
  }
  expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+/)
})

test('refuses what cannot be meant, before it looks for Docker', async () => {
  expect(await run('lits')).toEqual({
    exitCode: 2,
    out: '',
    err: expect.stringMatching(/^There is no command "lits"\.\nHint: Commands are "list"/) as string,
  })
  expect(await run('constructor')).toMatchObject({ exitCode: 2 })
  expect((await run('list', '--jsn')).err).toMatch(/^Unknown option '--jsn'.*\nHint: See: vitest-kubernetes list --help$/)
  expect((await run('doctor', 'now')).err).toMatch(/^Command "doctor" has no use for "now"\./)
  expect((await run('logs', '--tail', 'some')).err).toBe('Expected --tail to be a number of lines or "all", got "some".')
  expect((await run('logs', '-p', '-f', '--json')).err).toMatch(/^{"error":{"code":"ERR_OPTIONS_INVALID",/)
})

const owner = 'elsewhere/boot/1/4/5'
const network = (Name: string, suite: string) => ({
  Name,
  Created: '2030-01-01T12:00:00Z',
  Labels: {
    'vitest-kubernetes.run': Name.split('-')[1]!,
    'vitest-kubernetes.owner': owner,
    'vitest-kubernetes.cluster': Name,
    'vitest-kubernetes.suite': suite,
  },
})
const runs = takeInventory({
  containers: [],
  networks: [network('vk-aaa-shop-1111', 'shop'), network('vk-aaa-shop-2222', 'shop 2'), network('vk-bbb-mail-3333', 'mail')],
  volumes: [],
})

test('finds the cluster that is meant', () => {
  expect(findCluster(runs, 'shop').name).toBe('vk-aaa-shop-1111')
  expect(findCluster(runs, '2222').name).toBe('vk-aaa-shop-2222')
  expect(findCluster(runs, 'bbb').name).toBe('vk-bbb-mail-3333')
  expect(findCluster(runs.slice(1), undefined).name).toBe('vk-bbb-mail-3333')
})

test('says which clusters there are when none or several are meant', () => {
  expect(() => findCluster(runs, 'aaa')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There are 2 clusters that "aaa" names: say which.
    Hint: They are "vk-aaa-shop-1111" and "vk-aaa-shop-2222".]
  `)
  expect(() => findCluster(runs, 'nope')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There is no cluster that "nope" names.
    Hint: There are "vk-aaa-shop-1111", "vk-aaa-shop-2222" and "vk-bbb-mail-3333".]
  `)
  expect(() => findCluster([], undefined)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There is no cluster.
    Hint: Keep one alive: vitest --watch, or the suite option "keep".]
  `)
})

test('prunes no run that may live, unless it is named and forced; and none that lives', () => {
  const asked = { force: false }
  const forced = { force: true }
  expect(() => checkRuns(['aaa'], runs, asked)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Run "aaa" is of process 4 on "elsewhere", which cannot be seen from here.
    Hint: If you know that it has ended, as a container that is gone: vitest-kubernetes prune aaa --force]
  `)
  expect(() => checkRuns(['ccc'], runs, asked)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There is no run "ccc".
    Hint: There are "aaa" and "bbb".]
  `)
  expect(() => checkRuns([], runs, forced)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Expected the runs that --force is for, got none.
    Hint: vitest-kubernetes list shows them: those whose owner is elsewhere.]
  `)
  const [elsewhere] = runs
  const alive = { ...elsewhere!, run: 'ddd', owner: { ...elsewhere!.owner, state: 'alive' as const } }
  expect(() => checkRuns(['ddd'], [alive], forced)).toThrow(/which runs\.\nHint: End the process/)
  checkRuns(['aaa'], runs, forced)
  expect(planPrune([...runs, alive], { all: false, forced: ['aaa', 'ddd'] }).map(({ run }) => run)).toEqual(['aaa'])
})

test('prunes what dead runs left, but for clusters that are kept until later', () => {
  const [live] = runs
  const dead = { ...runs[1]!, owner: { host: 'here', pid: 1, state: 'dead' as const } }
  const [cluster] = dead.clusters
  const keptUntil = (...times: readonly (string | undefined)[]) => ({
    ...dead,
    clusters: times.map((time, index) => ({ ...cluster!, name: `c${index}`, keptUntil: time })),
  })
  const now = Date.parse('2030-01-01T12:00:00Z')
  const plan = (run: typeof dead, all = false) => planPrune([live!, run], { all, now })
  expect(plan(dead)).toEqual([{ run: 'bbb', clusters: ['vk-bbb-mail-3333'], kept: [] }])
  const mixed = keptUntil('2030-01-01T12:30:00Z', '2030-01-01T11:30:00Z', undefined)
  expect(plan(mixed)).toEqual([{ run: 'bbb', clusters: ['c1', 'c2'], kept: ['c0'] }])
  expect(plan(mixed, true)).toEqual([{ run: 'bbb', clusters: ['c0', 'c1', 'c2'], kept: [] }])
  expect(plan({ ...dead, clusters: [] })).toEqual([{ run: 'bbb', clusters: [], kept: [] }])
})
