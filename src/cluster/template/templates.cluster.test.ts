import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, expect, test } from 'vitest'

import { runCli } from '../../cli/run-cli.ts'
import { connectDocker } from '../../docker/docker.ts'
import { findTraces, runVitest } from '../../testing/run-vitest.ts'
import { type TempProject, createTempProject } from '../../testing/temp-project.ts'
import { pruneLeftovers } from '../ownership/leftovers.ts'
import { createOwner } from '../ownership/owner.ts'
import { exportTemplate, importTemplate } from './template-file.ts'
import { listTemplates, removeTemplate } from './template.ts'

const root = new URL('../../../', import.meta.url).pathname

/** A suite whose tests hold on a fork as on a new cluster, and change what the next ones would see. */
const full = `
import { createServer } from 'node:http'
import { createConnection } from 'mysql2/promise'
import { createClient } from 'redis'
import { expect } from 'vitest'
import { describe, mariadb, postgres, redis } from 'vitest-kubernetes'
import { echoApp, shellPod } from '${root}src/testing/echo-app.ts'

const keeper = shellPod('keeper', 'while true; do sleep 1; done', {
  restartPolicy: 'Always',
  volumes: [{ name: 'kept', emptyDir: {} }],
  initContainers: [{ name: 'first', image: 'busybox:1.37', command: ['sh', '-c', 'echo once >> /kept/starts'], volumeMounts: [{ name: 'kept', mountPath: '/kept' }] }],
})
keeper.spec.containers[0].volumeMounts = [{ name: 'kept', mountPath: '/kept' }]
keeper.spec.containers[0].command = ['sh', '-c', 'while true; do sleep 1; done']

describe.withCluster('forked', {
  agents: 1,
  services: { db: postgres(), shop: mariadb(), cache: redis() },
  images: ['busybox:1.37'],
  manifests: [...echoApp('web', { replicas: 2 }), keeper],
  charts: { hooked: { chart: '${root}fixtures/charts/hooks', values: { deletePolicy: 'before-hook-creation', command: 'true' } } },
  seed: {
    'pod/keeper': { exec: ['sh', '-c', 'echo once >> /kept/seeded'], durable: true },
    db: ['${root}fixtures/seeds/families.dump', 'own.sql'],
    shop: '${root}fixtures/seeds/shop-mariadb.sql',
    cache: ['${root}fixtures/seeds/cache.rdb', '${root}fixtures/seeds/cache.redis'],
  },
}, (test) => {
  test('has its data once, and can be reset', async ({ cluster }) => {
    const children = () => cluster.sql('db', 'select name from child order by id')
    const names = [{ name: 'one' }, { name: 'two' }, { name: 'three' }]
    expect(await children()).toEqual(names)
    expect(await cluster.sql('db', 'select * from own')).toHaveLength(1)
    const shop = await createConnection(cluster.services.shop.url)
    expect((await shop.query('select what from purchase order by id'))[0].map(({ what }) => what)).toEqual(['globe; 100%', 'atlas', 'compass'])
    await shop.end()
    await cluster.sql('db', 'truncate child cascade')
    await cluster.reset('db')
    expect(await children()).toEqual(names)
    const cache = await createClient({ url: cluster.services.cache.url }).connect()
    expect(await cache.lRange('queue', 0, -1)).toEqual(['a', 'b', 'c'])
    await cache.flushAll()
    await cluster.reset('cache')
    expect(await cache.lRange('queue', 0, -1)).toEqual(['a', 'b', 'c'])
    cache.destroy()
  })

  test('has what pods kept', async ({ cluster }) => {
    expect((await cluster.exec('pod/keeper', ['cat', '/kept/starts'])).stdout).toMatch(/^once\\n/)
    expect((await cluster.exec('pod/keeper', ['cat', '/kept/seeded'])).stdout).toBe('once\\n')
  })

  test('answers under its names, from outside and from pods on both nodes', async ({ cluster }) => {
    expect(await (await fetch(cluster.url('web'))).text()).toBe('web')
    expect((await cluster.exec('pod/keeper', ['wget', '-qO-', 'http://web'])).stdout).toBe('web')
    expect((await cluster.exec('pod/keeper', ['nslookup', 'db.default.svc.cluster.local'])).stdout).toContain('Address')
  })

  test('can be bridged, and goes back', async ({ cluster }) => {
    const server = createServer((_, response) => response.end('bridged'))
    {
      await using bridge = await cluster.bridge('deployment/web', { server: { http: server } })
      expect(await (await fetch(cluster.url('web'))).text()).toBe('bridged')
      expect((await cluster.exec('pod/keeper', ['wget', '-qO-', 'http://web'])).stdout).toBe('bridged')
    }
    expect(await (await fetch(cluster.url('web'))).text()).toBe('web')
  })

  test('takes new workloads', async ({ cluster }) => {
    await cluster.apply(echoApp('later'))
    expect(await (await fetch(cluster.url('later'))).text()).toBe('later')
  })
})
`

/** One that is up in a moment. */
const small = (name: string, options: string) => `
import { expect } from 'vitest'
import { describe, postgres } from 'vitest-kubernetes'
import { echoApp } from '${root}src/testing/echo-app.ts'

describe.withCluster('${name}', { images: ['busybox:1.37'], manifests: echoApp('web'), ${options} }, (test) => {
  test('answers', async ({ cluster }) => {
    expect(await (await fetch(cluster.url('web'))).text()).toBe('web')
  })
})
`

const docker = await connectDocker()

/** Those of the suites of that name: others may have been there before. */
const templatesOf = async (suite: string) => (await listTemplates(docker)).filter(({ name }) => name === suite)

const start = (project: TempProject) => runVitest('', { folder: project.folder, env: { VITEST_KUBERNETES_TEMPLATES: 'true' } })

/** What a run prints in which all tests pass. */
async function run(project: TempProject): Promise<string> {
  const { output, exitCode } = await start(project).ended
  if (exitCode !== 0) throw new Error(output)
  expect(await findTraces(output)).toEqual([])
  return output
}

async function cli(...args: readonly string[]): Promise<string> {
  let output = ''
  const print = (line: string) => void (output += `${line}\n`)
  if ((await runCli(args, { print, note: print, env: process.env, cwd: root })) !== 0) throw new Error(output)
  return output
}

afterEach(async () => {
  for (const suite of ['forked', 'small']) for (const template of await templatesOf(suite)) await removeTemplate(docker, template)
})

test('the next run forks what the first one made, with all of it, and leaves nothing but the template', { timeout: 600_000 }, async () => {
  const files = { 'forked.test.ts': full, 'own.sql': 'create table own (id serial primary key); insert into own default values;' }
  await using project = await createTempProject(files)
  expect(await run(project)).toContain('template of "forked"')
  const [template, ...others] = await templatesOf('forked')
  expect(others).toEqual([])
  expect(template!.nodes.map(({ hostname }) => hostname.replace(/^.*-(server|agent)/, '$1'))).toEqual(['server-0', 'agent-0'])

  const output = await run(project)
  expect(output).toMatch(/✓ forked cluster +k3d cluster ".*", a fork of "forked"/)
  expect(output).not.toMatch(/ ✓ forked (import|seed|chart|template) /)
  expect(await templatesOf('forked')).toEqual([template])

  const { templates } = JSON.parse(await cli('templates', 'forked', '--json')) as { templates: unknown }
  const { key, volume, size, created } = template!
  const images = ['busybox', 'mariadb', 'postgres', 'redis'].map((name) => expect.stringContaining(name) as string)
  const [times, listed] = [
    { created: new Date(created).toISOString(), lastUse: expect.any(String) as string },
    { key, volume, size, nodes: 2 },
  ]
  expect(templates).toEqual([{ ...listed, ...times, suite: 'forked', images: expect.arrayContaining(images) as string[] }])
  expect(await cli('templates', key.slice(0, 8))).toMatch(new RegExp(`^${key} +forked +2 +[\\d.]+ [MG]B `, 'm'))
  expect(await cli('list')).toMatch(/^\d+ templates?, [\d.]+ [MG]B: npx vitest-kubernetes templates$/m)
  expect((JSON.parse(await cli('list', '--json')) as { templates: unknown[] }).templates).toContainEqual({ key, suite: 'forked', size })
  // As a variable that is not set.
  await expect(cli('templates', '', '--remove')).rejects.toThrow('There is no template "".')
  expect(await templatesOf('forked')).toEqual([template])
  expect(await cli('templates', 'forked', '--remove')).toMatch(new RegExp(`^removed ${key} of "forked", `))
  expect(await templatesOf('forked')).toEqual([])
  await expect(docker.engine.getVolume(volume).inspect()).rejects.toMatchObject({ statusCode: 404 })
})

test('a broken template gives way to a new cluster, and two runs at once make one', { timeout: 600_000 }, async () => {
  await using project = await createTempProject({ 'small.test.ts': small('small', '') })
  await run(project)
  const [broken] = await templatesOf('small')
  const HostConfig = { Binds: [`${broken!.volume}:/template`], AutoRemove: true }
  await docker.engine.run(broken!.nodes[0]!.image, ['-c', 'rm -rf /template/*/k3s/server/db'], new PassThrough(), {
    Entrypoint: ['sh'],
    HostConfig,
  })

  const [one, two] = await Promise.all([run(project), run(project)])
  expect(one + two).toContain('its template is removed, and a new cluster started: ')
  const [made, ...others] = await templatesOf('small')
  expect(others).toEqual([])
  expect(made!.volume).not.toBe(broken!.volume)
  for (const output of await Promise.all([run(project), run(project)])) expect(output).toMatch(/✓ small cluster .* a fork of "small"/)
})

test('a run that is killed while it makes a template leaves none, or a whole one', { timeout: 600_000 }, async () => {
  await using project = await createTempProject({ 'small.test.ts': small('small', '') })
  for (const delay of [100, 700]) {
    const { child, prints, output, ended } = start(project)
    await prints('✓ small wait')
    await sleep(delay)
    process.kill(-child.pid!, 'SIGKILL')
    await ended
    await expect.poll(() => findTraces(output()), { timeout: 60_000, interval: 500 }).toEqual([])
    await pruneLeftovers(docker)
    const { Volumes } = await docker.engine.listVolumes({ filters: { label: ['vitest-kubernetes.template.files'] } })
    const made = Volumes.filter(({ Labels }) => Labels['vitest-kubernetes.template.maker']?.includes(`/${child.pid}/`))
    const whole = (await listTemplates(docker)).map(({ volume }) => volume)
    expect(made.map(({ Name }) => Name).filter((name) => !whole.includes(name))).toEqual([])
  }
})

test('a template goes to another machine as a file, which is refused where it is not whole', { timeout: 600_000 }, async () => {
  await using project = await createTempProject({
    'small.test.ts': `
import { expect } from 'vitest'
import { describe, postgres } from 'vitest-kubernetes'
import { echoApp } from '${root}src/testing/echo-app.ts'

const options = { agents: 1, images: ['busybox:1.37'], manifests: echoApp('web'), services: { db: postgres() }, seed: { db: 'own.sql' } }
describe.withCluster('small', options, (test) => {
  test('answers, with its data', async ({ cluster }) => {
    expect(await (await fetch(cluster.url('web'))).text()).toBe('web')
    expect(await cluster.sql('db', 'select * from own')).toHaveLength(1)
  })
})`,
    'own.sql': 'create table own (id serial primary key); insert into own default values;',
  })
  await run(project)
  const [template] = await templatesOf('small')
  const folder = join(project.folder, 'exported')
  const file = join(folder, `small-${template!.key}.tar.zst`)
  expect(await cli('templates', 'small', '--export', folder)).toMatch(
    new RegExp(`^exported ${template!.key} of "small": ${file}, [\\d.]+ MB$`, 'm'),
  )
  expect(await readdir(folder)).toEqual([basename(file)])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await cli('templates', 'small', '--export', folder)).toContain(`is there: ${template!.key}`)
  expect(await cli('templates', '--import', folder)).toContain(`is there: ${template!.key}`)

  await expect(cli('templates', 'small', '--export', file)).rejects.toThrow(`Expected --export to be a folder, got "${file}": `)

  const cancelled = () => ({ owner: createOwner(), signal: AbortSignal.timeout(1_000) })
  await expect(exportTemplate(docker, template!, `${file}.other`, cancelled())).rejects.toThrow('aborted due to timeout')
  expect(await readdir(folder)).toEqual([basename(file)])

  await cli('templates', 'small', '--remove')
  const whole = await readFile(file)
  // Of templates: other suites have volumes that come and go.
  const volumes = async () =>
    (await docker.engine.listVolumes()).Volumes.flatMap(({ Name }) =>
      Name.startsWith('vitest-kubernetes-template') ? [Name] : [],
    ).toSorted()
  const before = await volumes()
  for (const [name, content] of [
    ['cut', whole.subarray(0, whole.length / 2)],
    ['changed', Buffer.concat([whole.subarray(0, 1_000_000), Buffer.from([whole[1_000_000]! ^ 1]), whole.subarray(1_000_001)])],
    ['text', Buffer.from('no template')],
    ['empty', Buffer.alloc(0)],
  ] as const) {
    const broken = join(folder, `${name}.tar.zst`)
    await writeFile(broken, content)
    await expect(cli('templates', '--import', broken), name).rejects.toThrow(`"${broken}" is no exported template, or not whole: `)
    await rm(broken)
  }
  await expect(importTemplate(docker, file, cancelled())).rejects.toThrow('aborted due to timeout')
  await expect(cli('templates', '--import', join(folder, 'absent'))).rejects.toThrow(/absent" cannot be read: ENOENT/)
  await expect(cli('templates', '--import', folder, '--remove')).rejects.toThrow('only one can be given')
  expect(await volumes()).toEqual(before)

  const { imported } = JSON.parse(await cli('templates', '--import', folder, '--json')) as { imported: unknown }
  expect(imported).toEqual([{ key: template!.key, suite: 'small', file, size: template!.size, isNew: true }])
  const [here] = await templatesOf('small')
  expect({ ...here, volume: template!.volume }).toEqual(template)
  expect(await run(project)).toMatch(/✓ small cluster .* a fork of "small"/)
})

test('a suite says what keeps its cluster from being forked', { timeout: 600_000 }, async () => {
  await using project = await createTempProject({
    'exec.test.ts': small('with a command', `services: { db: postgres() }, seed: { db: { exec: ['true'] } }`),
    'unlogged.test.ts': small('unlogged', `services: { db: postgres() }, seed: { db: 'unlogged.sql' }`),
    'unlogged.sql': 'create unlogged table fast (id int); insert into fast values (1);',
  })
  const output = await run(project)
  expect(output).toContain(
    'no template is made of it: the seed of statefulset/db is no file, and does not say that all it brings is `durable`',
  )
  expect(output).toContain('no template is made of it: table "fast" of statefulset/db does not outlive a crash of the database')
})
