import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { type RunInventory, takeInventory } from '../cluster/ownership/inventory.ts'
import { runCommand } from '../support/run-command.ts'
import { commands } from './commands.ts'
import { findCluster } from './find-cluster.ts'
import { formatInventory } from './format-inventory.ts'
import { checkRuns, planPrune } from './plan-prune.ts'
import { runCli } from './run-cli.ts'

async function run(...argv: string[]) {
  const out: string[] = []
  const err: string[] = []
  const context = { print: (line: string) => out.push(line), note: (line: string) => err.push(line), env: {}, cwd: '/' }
  return { exitCode: await runCli(argv, context), out: out.join('\n'), err: err.join('\n') }
}

test('shows help, and the version', async () => {
  expect(await run()).toEqual(await run('--help'))
  expect((await run('help')).out).toMatchInlineSnapshot(`
    "Usage: vitest-kubernetes [options] [command]

    Manages the clusters of vitest-kubernetes on this machine.

    Options:
      -v, --version                            print the version
      -h, --help                               show help

    Commands:
      init [options] [folder]                  Set up a repository: config, a first suite, ignore files
      doctor [options]                         Check what suites need from this machine or a cluster,
                                               and say how to fix what is missing
      rbac [options] <namespaces...>           Print what an administrator applies once, for suites in
                                               an existing cluster
      up [options] [stack]                     Bring a stack up, or up to date; it stays until you take
                                               it down
      down [options] [stack]                   Take a stack down, with its data
      dev [options] [stack]                    Bring a stack up unless it is, and run a command beside
                                               it
      bridge [options] <workload>              Answer the traffic of a workload on this machine
      url [options] [service] [port]           Print the URL of a Service, Ingress or HTTPRoute
      env [options] [workload]                 Print the addresses and logins of a stack as variables
      exec [options] <workload>                Run a command in a pod of a stack
      reset [options] [stores...]              Put the data of a stack back to what was seeded
      list [options]                           List the clusters of all runs on this machine
      logs [options] [cluster] [workloads...]  Show the logs of workloads and nodes of a cluster
      report [options] [folder]                Open the report of the last run in a browser
      images [options] [images...]             Show the size, layers, biggest files and waste of images
      templates [options] [templates...]       List the templates that clusters are forked from, remove
                                               them, or take them to another machine
      prune [options] [runs...]                Remove what dead runs left behind
      complete [shell]                         Generate shell completion scripts
      help [command]                           Show help for a command

    Exit codes: 0 success, 1 failure, 2 invalid usage."
  `)
  expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+$/)
})

test.each(Object.keys(commands))('shows help for %s, with examples', async (name) => {
  const { exitCode, out, err } = await run('help', name)
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' })
  expect(out).toMatchSnapshot()
  expect(await run(name, '--help')).toEqual({ exitCode, out, err })
})

test('refuses invalid usage with exit code 2 and a suggestion, before it looks for Docker', async () => {
  const refused = async (...argv: string[]) => {
    const { exitCode, out, err } = await run(...argv)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
    return err
  }
  expect(await refused('lits')).toBe(`Unknown command 'lits'.\nHint: Did you mean list? See: npx vitest-kubernetes --help`)
  expect(await refused('constructor')).toMatch(/^Unknown command 'constructor'\./)
  expect(await refused('list', '--jsn')).toBe(`Unknown option '--jsn'.\nHint: Did you mean --json? See: npx vitest-kubernetes help list`)
  expect(await refused('doctor', 'now')).toMatch(/^Too many arguments for 'doctor'\. Expected 0 arguments but got 1/)
  expect(await refused('logs', '--tail')).toMatch(/^Option '--tail <lines>' argument missing\./)
  expect(await refused('logs', '--tail', 'some')).toBe('Expected --tail to be a number of lines or "all", got "some".')
  expect(await refused('logs', '-p', '-f', '--json')).toMatch(/^{"error":{"code":"ERR_OPTIONS_INVALID",/)
  expect(await refused('images')).toMatch(/^Expected at least one image\./)
})

test.each(['bash', 'zsh', 'fish', 'powershell'])('prints a completion script for %s', async (shell) => {
  expect(await program('complete', shell)).toMatch(/vitest-kubernetes complete ('--'|--)/)
})

test('rbac and doctor refuse what cannot be meant, and say what can', async () => {
  const refused = async (...argv: string[]) => {
    const { exitCode, err } = await run(...argv)
    return `${exitCode}: ${err}`
  }
  expect(await refused('rbac', 'it-1')).toMatch(/^2: Nobody is named who may run suites\.\nHint: Name them: --subject group:devs/)
  expect(await refused('rbac', 'it-1', '--subject', 'devs')).toMatch(/^2: Expected a subject such as group:devs, .* got "devs"\./)
  expect(await refused('rbac', 'it-1', '--subject', 'serviceaccount:runner')).toMatch(/^2: Expected a subject/)
  expect(await refused('rbac', 'it-1', '--subject', 'group:devs', '--pod-security', 'strict')).toMatch(
    /^2: Expected --pod-security to be one of/,
  )
  expect(await refused('doctor', '--kubeconfig', 'config')).toMatch(/^2: A cluster is named by --kubeconfig and --context together\./)
  const { exitCode, out } = await run('rbac', 'it-{1..2}', '--subject', 'user:ann', '--pod-security', 'restricted', '--json')
  expect(exitCode).toBe(0)
  const { items } = JSON.parse(out) as {
    items: readonly { kind: string; metadata: { name: string; namespace?: string; labels?: object } }[]
  }
  expect(items.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? metadata.name}`)).toEqual([
    'Namespace it-1',
    'RoleBinding it-1',
    'Namespace it-2',
    'RoleBinding it-2',
  ])
  expect(items[0]!.metadata.labels).toEqual({ 'vitest-kubernetes.pool': 'true', 'pod-security.kubernetes.io/enforce': 'restricted' })
})

test('completes commands and options', async () => {
  expect(await program('complete', '--', 'pr')).toMatch(/^prune\tRemove what dead runs left behind/)
  expect(await program('complete', '--', 'prune', '--')).toMatch(/^--dry-run\t/m)
})

test('opens the report, or prints its path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
  try {
    expect((await run('report', folder)).err).toMatch(
      /^There is no report at ".*report\.html"\.\nHint: A run that starts a cluster writes it\./,
    )
    const page = join(folder, 'report.html')
    await writeFile(page, '')
    expect(await run('report', folder, '--path')).toEqual({ exitCode: 0, out: page, err: '' })
    expect(JSON.parse((await run('report', folder, '--json')).out)).toEqual({ path: page })
  } finally {
    await rm(folder, { recursive: true })
  }
})

/** In a process of its own: completion goes straight to its output. */
function program(...args: readonly string[]): Promise<string> {
  return runCommand(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url)), ...args])
}

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
  processes: [],
})

test('finds the cluster that is meant', () => {
  expect(findCluster(runs, 'shop').name).toBe('vk-aaa-shop-1111')
  expect(findCluster(runs, '2222').name).toBe('vk-aaa-shop-2222')
  expect(findCluster(runs, 'bbb').name).toBe('vk-bbb-mail-3333')
  expect(findCluster(runs.slice(1), undefined).name).toBe('vk-bbb-mail-3333')
})

test('says which clusters there are when none or several are meant', () => {
  expect(() => findCluster(runs, 'aaa')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: 2 clusters match "aaa": name one.
    Hint: They are "vk-aaa-shop-1111" and "vk-aaa-shop-2222".]
  `)
  expect(() => findCluster(runs, 'nope')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: No cluster matches "nope".
    Hint: There are "vk-aaa-shop-1111", "vk-aaa-shop-2222" and "vk-bbb-mail-3333".]
  `)
  expect(() => findCluster([], undefined)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There is no cluster.
    Hint: Use watch mode or the suite option "keep" to keep one alive.]
  `)
})

test('prunes no run that may live, unless it is named and forced; and none that lives', () => {
  const asked = { force: false }
  const forced = { force: true }
  expect(() => checkRuns(['aaa'], runs, asked)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Run "aaa" belongs to process 4 on "elsewhere", which cannot be checked from here.
    Hint: If you know that it has ended (its container is gone, for example): npx vitest-kubernetes prune aaa --force]
  `)
  expect(() => checkRuns(['ccc'], runs, asked)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There is no run "ccc".
    Hint: There are "aaa" and "bbb".]
  `)
  expect(() => checkRuns([], runs, forced)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Expected --force with the names of runs, got none.
    Hint: npx vitest-kubernetes list shows them: those with an owner on another host.]
  `)
  const [elsewhere] = runs
  const alive = { ...elsewhere!, run: 'ddd', owner: { ...elsewhere!.owner, state: 'alive' as const } }
  expect(() => checkRuns(['ddd'], [alive], forced)).toThrow(/which is running\.\nHint: End the process/)
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
  expect(plan(dead)).toEqual([{ run: 'bbb', clusters: ['vk-bbb-mail-3333'], kept: [], up: [] }])
  const mixed = keptUntil('2030-01-01T12:30:00Z', '2030-01-01T11:30:00Z', undefined)
  expect(plan(mixed)).toEqual([{ run: 'bbb', clusters: ['c1', 'c2'], kept: ['c0'], up: [] }])
  expect(plan(mixed, true)).toEqual([{ run: 'bbb', clusters: ['c0', 'c1', 'c2'], kept: [], up: [] }])
  expect(plan({ ...dead, clusters: [] })).toEqual([{ run: 'bbb', clusters: [], kept: [], up: [] }])
})

test('calls a cluster kept, not dead, while its time is not over', () => {
  const keptUntil = '2030-01-01T13:00:00.000Z'
  const [, { clusters, ...rest }] = runs as readonly [unknown, RunInventory]
  const run: RunInventory = {
    ...rest,
    owner: { host: 'here', pid: 7, state: 'dead' },
    clusters: clusters.map((each) => ({ ...each, keptUntil })),
  }
  const shown = (now: string) => formatInventory([run], new Map(), Date.parse(now))
  expect(shown('2030-01-01T12:30:00Z')).toMatch(/^bbb  kept +vk-bbb-mail-3333 .* 2030-01-01T13:00:00\.000Z$/m)
  expect(shown('2030-01-01T13:30:00Z')).toMatch(
    /^bbb  pid 7, dead +vk-bbb-mail-3333 (.*\n)+\nThe next run removes what dead runs left behind\./m,
  )
})
