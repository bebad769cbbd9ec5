import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, test } from 'vitest'

import { randomId } from '../support/identity.ts'
import { findTraces, runVitest } from '../testing/run-vitest.ts'
import { type TempProject, createTempProject } from '../testing/temp-project.ts'

const shared = `{ cluster: 'shared' }`
const start = `import { afterAll, beforeEach, describe, expect, vi } from 'vitest-kubernetes'\n`

/** What a user may write, with vitest's own ways to choose, repeat and arrange tests. */
const features = `${start}
describe.withCluster('plain', { cluster: 'shared', tags: ['slow'], timeout: 60_000 }, (test) => {
  test('runs', ({ cluster }) => expect(cluster.namespace).toMatch(/^plain-/))
  test.skip('skipped test', never)
  let attempts = 0
  test('is repeated', { retry: 2 }, ({ cluster }) => expect([cluster.namespace, ++attempts]).toEqual([cluster.namespace, 2]))
  describe('with a suite within', () => {
    beforeEach(({ task }) => expect(task.name).toBe('runs too'))
    test('runs too', ({ cluster }) => expect(cluster.namespace).toMatch(/^plain-/))
  })
})
describe.concurrent.withCluster('at the same time', ${shared}, (test) => {
  let running = 0
  for (const name of ['one', 'two'])
    test(name, async () => {
      running++
      await vi.waitFor(() => expect(running).toBe(2))
    })
})
describe.withCluster('with timers of its own', ${shared}, (test) => {
  beforeEach(() => {
    vi.useFakeTimers()
    return () => void vi.useRealTimers()
  })
  test('works', { timeout: 60_000 }, async ({ cluster }) => {
    expect(new Date(Date.now())).toBeInstanceOf(Date)
    await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'made' }, data: { answer: '42' } })
    const { readFileSync } = await import('node:fs')
    expect(readFileSync(cluster.kubeconfigPath, 'utf8')).toContain('server:')
    console.log('window', typeof window, 'in', cluster.name)
  })
})
describe.withCluster('with hooks', ${shared}, (test) => {
  const seen = []
  const note = (what) => ({ cluster, request, bridges }) => seen.push([what, cluster.namespace, typeof request, typeof bridges].join(' '))
  test.aroundAll(async (runSuite, { cluster }) => {
    seen.push('aroundAll ' + cluster.namespace)
    await runSuite()
    console.log('hooks: ' + seen.join(', ').replaceAll(cluster.namespace, 'here'))
  })
  test.beforeAll(({ cluster }, suite) => {
    seen.push('beforeAll of ' + suite.name + ' ' + cluster.namespace)
    return () => seen.push('its cleanup')
  })
  test.afterAll(({ cluster, request, bridges }) => note('afterAll')({ cluster, request, bridges }))
  test.beforeEach(({ cluster }) => seen.push('beforeEach ' + cluster.namespace))
  test.aroundEach(async (runTest, { cluster }) => {
    seen.push('aroundEach ' + cluster.namespace)
    await runTest()
  })
  const extended = test.extend('answer', 42)
  extended.describe('within', () => {
    extended.beforeAll(({ cluster }) => seen.push('inner beforeAll ' + cluster.namespace))
    extended('run', ({ cluster, answer }) => seen.push('test ' + cluster.namespace + ' ' + answer))
  })
})
describe.skip.withCluster('skipped', {}, (test) => test('never runs', never))
describe.runIf(false).withCluster('not run', {}, (test) => test('never runs', never))
describe.withCluster('nothing but skipped tests', {}, (test) => test.skip('never runs', never))
describe.withCluster('no tests to do', {}, (test) => test.todo('never runs'))
function never() {
  throw new Error('it ran')
}
`
const only = `${start}
describe.only.withCluster('chosen', ${shared}, (test) => test('runs', ({ cluster }) => expect(cluster.name).toMatch(/^vk-/)))
describe.withCluster('not chosen', {}, (test) => test('never runs', () => expect.fail('it ran')))
`

const projects = [
  { test: { name: 'forks', pool: 'forks' } },
  { test: { name: 'threads', pool: 'threads' } },
  { test: { name: 'one process', pool: 'forks', isolate: false } },
  { test: { name: 'browser-like', environment: 'happy-dom' } },
].map(({ test: options }) => ({
  extends: true,
  test: { ...options, include: options.name === 'forks' ? ['only.test.ts'] : [] },
}))

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

const passing = {
  'plain runs': 'passed',
  'plain skipped test': 'skipped',
  'plain is repeated': 'passed',
  'plain with a suite within runs too': 'passed',
  'at the same time one': 'passed',
  'at the same time two': 'passed',
  'with timers of its own works': 'passed',
  'with hooks within run': 'passed',
  'skipped never runs': 'skipped',
  'not run never runs': 'skipped',
  'nothing but skipped tests never runs': 'skipped',
  'no tests to do never runs': 'todo',
}

async function run(project: TempProject, args: readonly string[] = []) {
  const file = join(project.folder, `${randomId()}.json`)
  const options = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const { exitCode, output } = await runVitest('', { folder: project.folder, args: [...options, ...args] }).ended
  const { testResults } = JSON.parse(await readFile(file, 'utf8')) as Report
  const results = testResults.map(({ assertionResults }) =>
    Object.fromEntries(assertionResults.map(({ fullName, status }) => [fullName, status])),
  )
  return { exitCode, output, results, clusters: output.match(/✓ .* cluster +k3d cluster /g)?.length ?? 0 }
}

describe.concurrent('vitest has ways to choose, repeat and arrange tests', () => {
  let project: TempProject
  beforeAll(async () => {
    project = await createTempProject(
      { 'features.test.ts': features, 'only.test.ts': only },
      { test: { include: ['features.test.ts'], projects, tags: [{ name: 'slow' }], hookTimeout: 1_000 } },
    )
  })
  afterAll(() => project[Symbol.asyncDispose]())

  test('suites work in every pool and environment', { timeout: 240_000 }, async ({ expect }) => {
    const { exitCode, output, results, clusters } = await run(project)
    expect(results.filter((each) => 'plain runs' in each)).toEqual(projects.map(() => passing))
    expect(results.filter((each) => 'chosen runs' in each)).toEqual([{ 'chosen runs': 'passed', 'not chosen never runs': 'skipped' }])
    expect(output.match(/^window (object|undefined) in/gm)?.toSorted()).toEqual([
      'window object in',
      ...Array.from({ length: 3 }, () => 'window undefined in'),
    ])
    const hooks = 'aroundAll here, beforeAll of with hooks here, inner beforeAll here, aroundEach here, beforeEach here, test here 42, '
    expect(output.match(/^hooks: .*/gm)).toEqual(projects.map(() => `hooks: ${hooks}afterAll here function object, its cleanup`))
    expect({ exitCode, clusters }).toEqual({ exitCode: 0, clusters: 1 })
    expect(await findTraces(output)).toEqual([])
  })

  test.for([
    ['a name', ['-t', 'skipped test']],
    ['a tag', ['--tags-filter', '!slow', '-t', 'plain']],
    ['a shard', ['--shard', '2/2', '-t', 'not chosen']],
  ] as const)('what is filtered out by %s starts no cluster', { timeout: 120_000 }, async ([, args], { expect }) => {
    const { exitCode, output, results } = await run(project, ['--project', 'forks', ...args])
    expect(results.length).toBeGreaterThan(0)
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: expect.not.stringContaining('vk-') })
  })

  test('a list of the tests starts no cluster', { timeout: 120_000 }, async ({ expect }) => {
    const { exitCode, output } = await runVitest('', {
      folder: project.folder,
      command: 'list',
      args: ['--project', 'forks', '--staticParse=false'],
    }).ended
    expect(output).toMatch(/features\.test\.ts > plain > runs$/m)
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: expect.not.stringContaining('vk-') })
  })
})
