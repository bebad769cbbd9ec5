// Templates and forks, many times: forks in a row that each test for their rows, a reset and a bridge; runs that are killed while they make a
// template; two projects with equal stacks at once. What is left, or wrong, ends it with exit code 1.
// Usage: sh scripts/setup node scripts/fuzz/templates.ts [forks] [kills] [seed]   (100 forks take some 20 minutes on 2 processors, 10 kills 10)
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { listTemplates, listUnfinished, removeTemplate } from '../../src/cluster/template/template.ts'
import { connectDocker } from '../../src/docker/docker.ts'
import { type TempProject, createTempProject } from '../../src/testing/temp-project.ts'
import { createRandom } from './random.ts'

const [forks = '100', kills = '10', seed = '1'] = process.argv.slice(2)
const random = createRandom(Number(seed))
const root = join(import.meta.dirname, '../..')
const docker = await connectDocker()

/** Suites with one stack; the first makes the template. @param mark makes it another stack than that of other parts */
const suites = (mark: string, count: number) => `
import { createServer } from 'node:http'
import { expect } from 'vitest'
import { describe, postgres } from 'vitest-kubernetes'
import { echoApp } from '${root}/src/testing/echo-app.ts'

const stack = {
  services: { db: postgres({ storage: 'persistent' }) },
  images: ['busybox:1.37'],
  manifests: echoApp('web', { text: '${mark}' }),
  seed: { db: './rows.sql' },
}
for (let index = 0; index < ${count}; index++)
  describe.withCluster('fuzz ${mark} ' + index, stack, (test) => {
    test('has its rows once, also after a reset', async ({ cluster }) => {
      const rows = () => cluster.sql('db', 'select count(*)::int as count, count(distinct id)::int as ids, sum(id)::int as sum from item')
      const seeded = [{ count: 10_000, ids: 10_000, sum: 50_005_000 }]
      expect(await rows()).toEqual(seeded)
      await cluster.sql('db', 'delete from item where id % 3 = 0')
      await cluster.sql('db', 'insert into item select generate_series(20001, 20100)')
      await cluster.reset()
      expect(await rows()).toEqual(seeded)
    })

    test('can be bridged, and goes back', async ({ cluster }) => {
      const text = async () => (await fetch(cluster.url('web'))).text()
      {
        await using bridge = await cluster.bridge('deployment/web', { server: createServer((_, response) => response.end('local')) })
        expect(await text()).toBe('local')
      }
      expect(await text()).toBe('${mark}')
    })
  })
`
const project = (mark: string, count: number) =>
  createTempProject({
    'forks.test.ts': suites(mark, count),
    'rows.sql': 'create table item (id int primary key);\ninsert into item select generate_series(1, 10000);\n',
  })

interface Run {
  readonly exitCode: number | null
  readonly output: string
}

/** @param onOutput hears all that has been printed, and may kill the run with all its processes */
function run({ folder }: TempProject, onOutput: (output: string, kill: () => void) => void = () => {}): Promise<Run> {
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder]
  const env = { ...process.env, VITEST_KUBERNETES_TEMPLATES: '50 GB' }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  const take = (chunk: Buffer) => {
    output += chunk.toString()
    onOutput(output, () => process.kill(-child.pid!, 'SIGKILL'))
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  return new Promise((resolve) => {
    child.on('close', (exitCode) => resolve({ exitCode, output }))
  })
}

/** Of the suites of this script, and half templates of runs that have ended: others may run beside it. */
async function leftovers(): Promise<readonly string[]> {
  const filters = { label: ['vitest-kubernetes.run'] }
  const containers = await docker.engine.listContainers({ all: true, filters })
  const networks = await docker.engine.listNetworks({ filters })
  const { Volumes } = await docker.engine.listVolumes()
  const names = [
    ...containers.map(({ Names }) => Names[0]!),
    ...networks.map(({ Name }) => Name),
    ...(Volumes ?? []).map(({ Name }) => Name),
  ]
  return [...names.filter((name) => name.includes('-fuzz-')), ...(await listUnfinished(docker))]
}

const ours = async () => (await listTemplates(docker)).filter(({ name }) => name.startsWith('fuzz '))

async function removeOurs(): Promise<void> {
  for (const template of await ours()) await removeTemplate(docker, template)
}

function check(holds: boolean, what: string, output = ''): void {
  if (!holds) throw new Error(`${what}\n${output}`)
}

async function nothingLeft(what: string): Promise<void> {
  const left = await leftovers()
  check(left.length === 0, `${what}: left: ${left.join(', ')}`)
}

async function forksInARow(): Promise<void> {
  const count = Number(forks)
  await using own = await project('row', count + 1)
  const started = Date.now()
  const { exitCode, output } = await run(own)
  check(exitCode === 0, 'A suite has failed.', output)
  const forked = output.match(/✓ .*, a fork of "fuzz row 0"/g)?.length ?? 0
  check(forked === count, `${forked} forks instead of ${count}.`, output)
  const { suites: timed } = JSON.parse(await readFile(join(own.folder, '.vitest/kubernetes/timings.json'), 'utf8')) as {
    suites: readonly { readonly state: string }[]
  }
  check(timed.length === count + 1 && timed.every(({ state }) => state === 'passed'), 'The report lacks suites.', output)
  await nothingLeft('forks')
  console.log(`${count} forks in a row: each with its rows, a reset, a bridge, a report: ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

async function killed(): Promise<void> {
  let whole = 0
  for (let index = 0; index < Number(kills); index++) {
    await removeOurs()
    await using own = await project('kill', 1)
    const wait = random.below(2_500)
    let isTimed = false
    await run(own, (output, kill) => {
      // The template comes next.
      if (isTimed || !/✓ .* wait +2 workloads ready/.test(output)) return
      isTimed = true
      setTimeout(kill, wait)
    }).catch(() => undefined)
    check(isTimed, 'The suite was not up.')
    for (let tries = 0; tries < 60 && (await leftovers()).length > 0; tries++) await sleep(500)
    const made = (await ours()).length
    whole += made
    const next = await run(own)
    check(next.exitCode === 0, `After a kill ${wait} ms after the suite was up, the next run failed.`, next.output)
    check(next.output.includes(', a fork of') === (made === 1), `${made} templates, and the next run took another path.`, next.output)
    await nothingLeft(`kill after ${wait} ms`)
    console.log(`killed ${wait} ms after it was up: ${made === 1 ? 'its template is whole' : 'no template'}, and nothing else`)
  }
  console.log(`${kills} kills while templates are made: ${whole} whole ones, no half one`)
}

async function twoProjects(): Promise<void> {
  await removeOurs()
  await using first = await project('two', 2)
  await using second = await project('two', 2)
  for (const round of ['make', 'fork']) {
    const runs = await Promise.all([run(first), run(second)])
    for (const { exitCode, output } of runs) check(exitCode === 0, `Two projects at once, round "${round}":`, output)
    const made = (await ours()).length
    check(made === 1, `${made} templates of one stack.`)
    if (round === 'fork')
      for (const { output } of runs) check(output.match(/✓ .*, a fork of/g)?.length === 2, 'A suite was not forked.', output)
    await nothingLeft(`two projects, round "${round}"`)
  }
  console.log('two projects with equal stacks at once, twice: one template, then forks of it in both')
}

console.log(`load ${loadavg()[0]!.toFixed(1)}, seed ${seed}`)
try {
  await removeOurs()
  await twoProjects()
  await killed()
  await forksInARow()
  console.log(`load ${loadavg()[0]!.toFixed(1)}`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await removeOurs()
}
process.exit()
