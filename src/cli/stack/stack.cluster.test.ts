import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { listGateways } from '../../cluster/ownership/inventory.ts'
import { listKept } from '../../cluster/ownership/kept-clusters.ts'
import { pruneLeftovers } from '../../cluster/ownership/leftovers.ts'
import { runLabel } from '../../cluster/ownership/owner.ts'
import { connectDocker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { listByLabel } from '../../docker/remove.ts'
import { runCommand } from '../../support/run-command.ts'
import { echoApp } from '../../testing/echo-app.ts'
import { runVitest } from '../../testing/run-vitest.ts'
import { type TempProject, createTempProject } from '../../testing/temp-project.ts'
import { runCli } from '../run-cli.ts'

const root = new URL('../../../', import.meta.url).pathname
const docker = await connectDocker()
let project: TempProject

interface StackParts {
  readonly options?: string
  readonly text?: string
}

const stackFile = ({ options = '', text = 'web' }: StackParts = {}) => `
import { defineStack, postgres } from '${root}src/index.ts'
import { echoApp, shellPod } from '${root}src/testing/echo-app.ts'

export const kiosk = defineStack({
  images: ['busybox:1.37'],
  manifests: [...echoApp('web', { text: '${text}' }), shellPod('caller', 'sleep 1000000', { restartPolicy: 'Always' })],
  services: { db: postgres({ database: 'kiosk' }) },
  mount: { 'deployment/web': { './k8s/public': '/public' } },
  seed: [{ db: './rows.sql' }, async ({ cluster }) => void (await cluster.sql('db', "insert into t values (3)"))],
  ${options}
})
`

/** In this process, which is what takes the time. */
async function run(...args: readonly string[]) {
  let [out, err] = ['', '']
  const exitCode = await runCli(args, {
    print: (line) => void (out += `${line}\n`),
    note: (line) => void (err += `${line}\n`),
    write: (chunk, output) => void (output === 'stdout' ? (out += String(chunk)) : (err += String(chunk))),
    env: process.env,
    cwd: project.folder,
  })
  return { exitCode, out, err }
}

async function cli(...args: readonly string[]): Promise<string> {
  const { exitCode, out, err } = await run(...args)
  if (exitCode !== 0) throw new Error(`${args.join(' ')} ended with exit code ${exitCode}:\n${err}`)
  return out
}

/** In a process of its own, which can be killed. */
function start(...args: readonly string[]) {
  return watch(spawn(process.execPath, [`${root}src/cli/main.ts`, ...args], { cwd: project.folder, stdio: ['ignore', 'pipe', 'pipe'] }))
}

const commandLine = (...args: readonly string[]) =>
  [process.execPath, `${root}src/cli/main.ts`, ...args].map((word) => `'${word}'`).join(' ')

/** The same in a terminal of 33 rows and 99 columns, whose name is the first line that it prints. */
function startInTerminal(...args: readonly string[]) {
  const line = `stty rows 33 cols 99; tty; exec ${commandLine(...args)}`
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], { cwd: project.folder })
  return { ...watch(child), type: (keys: string) => void child.stdin.write(keys) }
}

function watch(child: ChildProcessByStdio<Writable | null, Readable, Readable>) {
  onTestFinished(() => void child.kill('SIGKILL'))
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk))
  return {
    child: child as ChildProcess,
    printed: () => printed,
    prints: (text: string | RegExp) => expect.poll(() => printed, { timeout: 120_000 }).toMatch(text),
    exited: once(child, 'exit').then(([code]) => code as number | null),
  }
}

const upCluster = async () => {
  const [first, ...others] = (await listKept(docker)).filter(({ stack }) => stack?.file.startsWith(project.folder))
  expect(others).toEqual([])
  return first
}
/** As a pod in the cluster sees it. */
const fromPod = async () => (await cli('exec', 'pod/caller', '--', 'timeout', '5', 'wget', '-qO-', 'http://web')).trim()
const rows = async () =>
  (await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-Atc', 'select string_agg(n::text, $$,$$ order by n) from t')).trim()
const kubectlIn = (node: string, ...args: readonly string[]) => execInContainer(docker, node, ['kubectl', ...args], { timeout: 30_000 })
/** What bridges leave in a node. */
async function rulesIn(node: string): Promise<string> {
  const look =
    'ls /run/vitest-kubernetes 2>/dev/null; for ns in /var/run/netns/*; do nsenter --net=$ns iptables-save | grep -i vk; done; iptables-save | grep -i vk-'
  return execInContainer(docker, node, ['sh', '-c', `${look}; true`], { timeout: 30_000 })
}
/** All that a process of the command line has in Docker, by the pid in its owner's label. */
async function objectsOf({ pid }: ChildProcess) {
  const { containers, networks, volumes } = await listByLabel(docker, [runLabel], (labels) =>
    Boolean(labels['vitest-kubernetes.owner']?.includes(`/${pid}/`)),
  )
  return [...containers, ...networks, ...volumes]
}

beforeAll(async () => {
  project = await createTempProject({
    ...{ 'kiosk.stack.ts': stackFile(), 'k8s/public/page.txt': 'as it was' },
    'rows.sql': 'create table t (n int); insert into t values (1), (2);',
  })
}, 0)

afterAll(async () => {
  if (await upCluster()) await cli('down')
  await project[Symbol.asyncDispose]()
}, 120_000)

test('what fails while it comes up leaves nothing', { timeout: 300_000 }, async () => {
  expect((await run('url')).err).toMatch(/^No stack is up\.\nHint: .*npx vitest-kubernetes up$/m)
  expect((await run('up', 'shp')).err).toMatch(/^There is no stack "shp"\.\nHint: There are "kiosk in .*kiosk\.stack\.ts"\./)
  await project.write(
    'kiosk.stack.ts',
    stackFile({ options: 'ports: { wep: 4711 }' }).replace('insert into t values (3)', 'insert into nothing values (3)'),
  )
  const first = start('up')
  expect(await first.exited).toBe(2)
  expect(first.printed()).toContain('Option `ports` names "wep", but the stack has no Service "wep"')
  expect(first.printed()).not.toContain('cluster')

  await project.write('kiosk.stack.ts', stackFile().replace('insert into t values (3)', 'insert into nothing values (3)'))
  const failing = start('up')
  expect(await failing.exited).toBe(1)
  expect(failing.printed()).toContain('relation "nothing" does not exist')
  expect(await upCluster()).toBeUndefined()
  expect(await objectsOf(failing.child)).toEqual([])
})

test.each([
  ['SIGINT', 130],
  ['SIGHUP', 129],
  ['SIGKILL', null],
] as const)('an up that %s ends leaves nothing', { timeout: 120_000 }, async (signal, exitCode) => {
  await project.write('kiosk.stack.ts', stackFile())
  const ended = start('up')
  await expect.poll(() => objectsOf(ended.child), { timeout: 60_000 }).toContainEqual(expect.stringMatching(/^k3d-.*server-0$/))
  ended.child.kill(signal)
  expect(await ended.exited).toBe(exitCode)
  await expect.poll(() => objectsOf(ended.child), { timeout: 60_000 }).toEqual([])
  expect(await upCluster()).toBeUndefined()
})

test('up brings a stack up once, and prints how to reach it', { timeout: 300_000 }, async () => {
  await project.write('kiosk.stack.ts', stackFile())
  const first = start('up', 'kiosk', '--json')
  // Before its cluster is there: the claim comes first.
  await first.prints(/✓ kiosk cluster/)
  expect((await run('up')).err).toMatch(new RegExp(`^Stack "kiosk" is in use by process ${first.child.pid} on `, 'm'))
  expect(await first.exited).toBe(0)
  const { services, ingresses, kubeconfig, ...state } = JSON.parse(first.printed().slice(first.printed().indexOf('\n{'))) as {
    services: { name: string; port: number; url: string }[]
    ingresses: object[]
    kubeconfig: string
  }
  expect(state).toEqual({ stack: 'kiosk', file: join(project.folder, 'kiosk.stack.ts'), cluster: (await upCluster())!.name })
  expect(services.map(({ name, port }) => `${name}:${port}`)).toEqual(['db:5432', 'web:80'])
  expect(ingresses).toEqual([])
  expect(existsSync(kubeconfig)).toBe(true)
  expect(await (await fetch(services[1]!.url)).text()).toBe('web')
  expect(await cli('url', 'web')).toBe(`${services[1]!.url}\n`)
  expect(await cli('url', 'db', '5432')).toMatch(/^postgres:\/\/app:app@127\.0\.0\.1:\d+\/kiosk\n$/)
  expect((await run('url', 'nope')).err).toMatch(/^There is no Service "nope"/)
  expect(await rows()).toBe('1,2,3')
})

test('other runs leave it alone, and list and logs know it by its name', { timeout: 60_000 }, async () => {
  const { name, run: id } = (await upCluster())!
  await pruneLeftovers(docker)
  await cli('prune', '--all')
  expect(await cli('prune', id)).toBe('kiosk is up: npx vitest-kubernetes down kiosk\n')
  expect(await cli('list')).toMatch(new RegExp(`^${id} +up +${name} +kiosk +1 running +1 running`, 'm'))
  const { runs } = JSON.parse(await cli('list', '--json')) as { runs: { run: string; clusters: object[] }[] }
  expect(runs.find(({ run: each }) => each === id)?.clusters).toMatchObject([{ stack: { name: 'kiosk' } }])
  expect(await cli('logs', 'kiosk', 'statefulset/db')).toContain('database system is ready')
})

test('env, exec and reset', { timeout: 60_000 }, async () => {
  const variables = JSON.parse(await cli('env', '--json')) as Record<string, string>
  expect(variables).toMatchObject({ DB_USER: 'app', DB_PASSWORD: 'app', DB_DATABASE: 'kiosk', DB_HOST: '127.0.0.1' })
  expect(variables['DB_URL']).toBe((await cli('url', 'db')).trim())
  expect(await cli('env')).toContain(`WEB_URL=${variables['WEB_URL']}\n`)
  expect(await cli('env', 'statefulset/db')).toMatch(/^POSTGRES_DB=kiosk$/m)

  expect(await run('exec', 'pod/caller', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
    exitCode: 7,
    out: 'out\n',
    err: 'err\n',
  })
  expect(JSON.parse((await run('exec', 'pod/caller', '--json', '--', 'sh', '-c', 'echo "a --b"; exit 3')).out)).toEqual({
    exitCode: 3,
    stdout: 'a --b\n',
    stderr: '',
  })
  expect((await run('exec', 'pod/caller')).err).toMatch(/^Expected a command after --, got none\./)
  expect((await run('exec', 'deployment/nope', '--', 'ls')).err).toMatch(/^There is no Deployment "nope"/)

  await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', 'delete from t')
  expect(await rows()).toBe('')
  expect(await cli('reset')).toMatch(/^reset 1 store in \d+ ms\n$/)
  expect(await rows()).toBe('1,2,3')
  expect((await run('reset', 'cache')).err).toMatch(/^"cache" is neither a service of the stack nor a workload/)
})

test('up again brings changes in, and leaves data and addresses as they are', { timeout: 120_000 }, async () => {
  const before = await cli('url')
  await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', 'insert into t values (4)')
  await project.write('kiosk.stack.ts', stackFile({ text: 'changed' }))
  const again = start('up')
  expect(await again.exited).toBe(0)
  expect(await cli('url')).toBe(before)
  await expect.poll(async () => (await fetch((await cli('url', 'web')).trim())).text(), { timeout: 20_000 }).toBe('changed')
  expect(await rows()).toBe('1,2,3,4')
  expect(await objectsOf(again.child)).toEqual([])

  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  await project.write('kiosk.stack.ts', stackFile({ text: 'changed', options: `ports: { web: ${port} }` }))
  const busy = start('up')
  expect(await busy.exited).toBe(1)
  expect(busy.printed()).toContain(`Port ${port}, which option \`ports\` gives to Service "web", is in use on this machine.`)
  // Nothing has changed.
  expect(await cli('url')).toBe(before)
  free.close()
  expect(await start('up').exited).toBe(0)
  expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe('changed')

  await project.write('kiosk.stack.ts', stackFile({ options: 'agents: 1' }))
  const other = start('up')
  expect(await other.exited).toBe(1)
  expect(other.printed()).toMatch(/Stack "kiosk" is up in a cluster that was made of other options\.\nHint: .*up kiosk --recreate/)
  await project.write('kiosk.stack.ts', stackFile({ text: 'changed', options: `ports: { web: ${port} }` }))
})

test('a reset that is killed at any moment has done all or nothing, and two at once do it once', { timeout: 120_000 }, async () => {
  const before = await rows()
  await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', 'insert into t values (5)')
  for (const wait of [200, 400, 600, 800, 1_000, 1_500]) {
    const reset = start('reset')
    await sleep(wait)
    reset.child.kill('SIGKILL')
    await reset.exited
    expect(['1,2,3', '1,2,3,4,5']).toContain(await rows())
    expect(await objectsOf(reset.child)).toEqual([])
  }
  for (let round = 0; round < 5; round++) {
    expect(await Promise.all([start('reset').exited, start('reset').exited])).toEqual([0, 0])
    expect(await rows()).toBe('1,2,3')
    await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', 'insert into t values (6)')
  }
  expect((await run('reset')).exitCode).toBe(0)
  await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', 'insert into t values (4)')
  expect(await rows()).toBe(before)
})

test('exec in a terminal gives the command one: its size, keys and echo; without a terminal, or with -T, there is none', async () => {
  const shell = startInTerminal('exec', 'pod/caller', '--', 'sh')
  const terminal = async () => (await shell.prints(/^\/dev\/pts\/\d+/), shell.printed().split('\r\n')[0]!)
  await shell.prints('# ')
  shell.type('tty && stty size\r')
  await shell.prints(/stty size\r\n\/dev\/pts\/\d+\r\n33 99\r\n/)
  await runCommand('stty', ['-F', await terminal(), 'rows', '50', 'cols', '120'])
  await expect.poll(() => (shell.type('stty size\r'), shell.printed()), { interval: 500 }).toMatch(/\r\n50 120\r\n/)
  // To the command, not to ours.
  shell.type('sleep 1000\r')
  await sleep(500)
  shell.type('\u0003')
  shell.type('echo "ended: $?"\r')
  await shell.prints('ended: 130')
  shell.type('exit 7\r')
  expect(await shell.exited).toBe(7)

  const none = startInTerminal('exec', '-T', 'pod/caller', '--', 'tty')
  await none.prints('not a tty')
  expect(await none.exited).toBe(1)
  const refused = startInTerminal('exec', 'deployment/nope', '--', 'sh')
  expect(await refused.exited).toBe(1)
  // A terminal that is left in raw mode shows lines without their beginnings.
  expect(refused.printed()).toMatch(/There is no Deployment "nope"[^\r]*\r\n/)
})

test('exec passes on more than fits into a string', { timeout: 120_000 }, async () => {
  const size = 540 << 20
  const line = commandLine('exec', 'pod/caller', '--', 'head', '-c', String(size), '/dev/zero')
  expect(await runCommand('sh', ['-c', `cd ${project.folder} && ${line} | wc -c`])).toBe(`${size}\n`)
})

test.each(['SIGINT', 'SIGKILL'] as const)(
  'exec and logs that %s ends are over at once, and leave nothing',
  { timeout: 60_000 },
  async (signal) => {
    const exec = start('exec', 'deployment/web', '--', 'sh', '-c', 'echo started; sleep 1000')
    const logs = start('logs', 'kiosk', '-f')
    await exec.prints('started')
    await logs.prints('database system is ready')
    for (const { child, exited } of [exec, logs]) {
      child.kill(signal)
      // exec has something to end before it does; logs ends as every program that a signal ends.
      expect(await exited).toBe(signal === 'SIGINT' && child === exec.child ? 130 : null)
      expect(await objectsOf(child)).toEqual([])
    }
  },
)

/** A test file whose suite uses what is up. */
const suiteFile = (name: string, { body, options = '...kiosk' }: { readonly body: string; readonly options?: string }) => `
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer } from 'node:http'
import { describe, expect } from 'vitest-kubernetes'
import { echoApp } from '${root}src/testing/echo-app.ts'
import { kiosk } from './kiosk.stack.ts'

describe.withCluster('${name}', { ${options}, cluster: 'up' }, (test) => {
  test('finds what was seeded', async ({ cluster, request }) => {
    expect(await cluster.sql('db', 'select n from t order by n')).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    await cluster.sql('db', 'insert into t values (9)')
    ${body}
  })
})
`
test('suites use what is up, one after the other, and undo what they apply', { timeout: 240_000 }, async () => {
  const { name } = (await upCluster())!
  const url = await cli('url')
  await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', 'insert into t values (7)')
  const changes = `
    await cluster.apply([...echoApp('web', { text: 'from a test' }), ...echoApp('extra', { text: 'one more' })])
    await expect.poll(async () => (await request('web').get('/')).text).toBe('from a test')
    await request('extra').get('/').expect('one more')
    const server = createServer((_, response) => response.end('bridged'))
    await using bridge = await cluster.bridge('deployment/web', { server })
    expect(await cluster.exec('pod/caller', ['wget', '-qO-', 'http://web'])).toMatchObject({ stdout: 'bridged' })`
  await project.write('a.test.ts', suiteFile('a', { body: changes }))
  await project.write('b.test.ts', suiteFile('b', { body: `expect((await request('web').get('/')).text).toBe('changed')` }))
  const suites = runVitest('', { folder: project.folder })
  const { exitCode, output } = await suites.ended
  expect(output).toContain('a cluster  stack "kiosk", which is up')
  expect(output).toContain('b cluster  stack "kiosk", which is up')
  expect(output).not.toContain('k3d cluster')
  expect(exitCode, output).toBe(0)
  expect((await upCluster())!.name).toBe(name)
  expect(await cli('url')).toBe(url)
  expect(await fromPod()).toBe('changed')
  expect(await kubectlIn(`k3d-${name}-server-0`, 'get', 'deployments,services', '--output=name')).not.toContain('extra')
  expect(await objectsOf(suites.child)).toEqual([])

  const psql = (statement: string) => cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', statement)
  await psql('alter table t rename to other')
  expect((await runVitest('b', { folder: project.folder }).ended).output).toMatch(
    /could not be restored: .*relation "public\.t" does not exist\nHint: .*npx vitest-kubernetes up kiosk --recreate/,
  )
  await psql('alter table other rename to t')
})

test(
  'a suite gets a cluster of its own beside what another process uses, or was defined in another way',
  { timeout: 240_000 },
  async () => {
    await project.write(
      'a.test.ts',
      suiteFile('a', { body: `await cluster.cut('pod/caller', 'deployment/web'); console.log('has it'); await sleep(60_000)` }),
    )
    await project.write('b.test.ts', suiteFile('b', { body: '' }))
    const first = runVitest('a', { folder: project.folder })
    onTestFinished(() => void first.child.kill('SIGKILL'))
    await first.prints('has it')
    const node = `k3d-${(await upCluster())!.name}-server-0`
    expect(await rulesIn(node)).toContain('-APART')
    expect((await run('up')).err).toMatch(new RegExp(`^Stack "kiosk" is in use by process ${first.child.pid} on `, 'm'))
    const second = runVitest('b', { folder: project.folder })
    await second.prints(`stack "kiosk" is in use by process ${first.child.pid} on `)
    second.child.kill('SIGINT')
    expect((await second.ended).output).toMatch(/the suite gets a cluster of its own/)

    // However the first one ends, the next one may have it.
    first.child.kill('SIGKILL')
    await expect.poll(() => rulesIn(node), { timeout: 15_000 }).toBe('')
    await expect.poll(() => objectsOf(first.child), { timeout: 30_000 }).toEqual([])
    await project.write('b.test.ts', suiteFile('b', { body: '', options: `...kiosk, images: ['busybox:1.37', 'busybox:1.37']` }))
    const other = runVitest('b', { folder: project.folder })
    await other.prints('stack "kiosk" is up, but this suite asks for something else, or its file has changed since')
    other.child.kill('SIGINT')
    await other.ended
    expect(await start('up').exited).toBe(0)
    expect(await fromPod()).toBe('changed')
    expect(await rows()).toBe('1,2,3,9')
    await cli('exec', 'db', '--', 'psql', '-U', 'app', 'kiosk', '-c', 'update t set n = 4 where n = 9')
  },
)

test.each(['SIGINT', 'SIGKILL'] as const)(
  'a bridge that is ended by %s leaves the pods as they were',
  { timeout: 180_000 },
  async (signal) => {
    const local = createServer((_, response) => response.end('local')).listen(0)
    await once(local, 'listening')
    const { port } = local.address() as AddressInfo
    const bridge = start('bridge', 'deployment/web', '--port', String(port))
    await bridge.prints('is bridged: all requests')
    expect(await fromPod()).toBe('local')
    expect((await run('bridge', 'deployment/web', '--port', String(port))).err).toMatch(
      new RegExp(`^Workload "deployment/web" is bridged by process ${bridge.child.pid} on `, 'm'),
    )
    const node = `k3d-${(await upCluster())!.name}-server-0`
    expect(await rulesIn(node)).not.toBe('')
    bridge.child.kill(signal)
    expect(await bridge.exited).toBe(signal === 'SIGINT' ? 130 : null)
    await expect.poll(fromPod, { timeout: 15_000 }).toBe('changed')
    await expect.poll(() => rulesIn(node), { timeout: 15_000 }).toBe('')
    await expect.poll(() => objectsOf(bridge.child), { timeout: 30_000 }).toEqual([])
    local.close()
  },
)

test('a bridge to a command ends with it, and prints what it prints', { timeout: 120_000 }, async () => {
  const server = `require('node:http').createServer((request, response) => { console.log('asked', request.url); response.end('command')
    if (request.url === '/end') setTimeout(() => process.exit(5), 100) }).listen(3456)`
  const bridge = start('bridge', 'deployment/web', '-p', '3456', '--', process.execPath, '-e', server)
  await bridge.prints('is bridged')
  expect(await fromPod()).toBe('command')
  await bridge.prints('asked /')
  await cli('exec', 'pod/caller', '--', 'wget', '-qO-', 'http://web/end')
  expect(await bridge.exited).toBe(5)
  expect(bridge.printed()).toContain('ended with exit code 5: deployment/web answers itself again.')
  expect(await fromPod()).toBe('changed')
  expect((await run('bridge', 'deployment/web')).err).toMatch(/^Expected --port or a command after --, got neither\./)
})

test('only what matches comes to a bridge with --header', { timeout: 120_000 }, async () => {
  const local = createServer((_, response) => response.end('local')).listen(0)
  await once(local, 'listening')
  const { port } = local.address() as AddressInfo
  const bridge = start('bridge', 'deployment/web', '--port', String(port), '--header', 'x-user=ann')
  await bridge.prints('is bridged: the requests that match')
  expect(await fromPod()).toBe('changed')
  expect(await cli('exec', 'pod/caller', '--', 'wget', '-qO-', '--header', 'x-user: ann', 'http://web')).toBe('local')
  bridge.child.kill('SIGKILL')
  await bridge.exited
  const node = `k3d-${(await upCluster())!.name}-server-0`
  await expect.poll(() => rulesIn(node), { timeout: 15_000 }).toBe('')
  expect(await fromPod()).toBe('changed')
  local.close()
})

test('dev runs a command beside the stack, which finds the services in its environment', { timeout: 120_000 }, async () => {
  const script = `fetch(process.env.WEB_URL).then((answer) => answer.text()).then((text) => { console.log('got ' + text, process.env.DB_URL, process.env.KUBECONFIG); process.exitCode = 4 })`
  const dev = start('dev', 'kiosk', '--', process.execPath, '-e', script)
  expect(await dev.exited).toBe(4)
  expect(dev.printed()).toContain(`got changed ${(await cli('url', 'db')).trim()} ${(await upCluster())!.kubeconfigPath}`)
  expect(dev.printed()).toContain('Stack "kiosk" stays up')

  const local = createServer((_, response) => response.end('from dev')).listen(0)
  await once(local, 'listening')
  const { port } = local.address() as AddressInfo
  const bridged = start('dev', '--bridge', `deployment/web=${port}`, '--logs', 'statefulset/db')
  await bridged.prints('Ctrl-C ends this')
  expect(await fromPod()).toBe('from dev')
  await bridged.prints(/db-0 \| .*ready to accept connections/)
  bridged.child.kill('SIGTERM')
  expect(await bridged.exited).toBe(143)
  expect(await fromPod()).toBe('changed')
  local.close()
})

test('dev --watch brings in what is saved, says what fails, and breaks no connection', { timeout: 120_000 }, async () => {
  const gateways = async () => (await listGateways(docker, (await upCluster())!.name)).map(({ Id }) => Id)
  const before = await gateways()
  const app = (text: string) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: echoApp('web', { text }) })
  await project.write('k8s/web.json', app('changed'))
  const { port } = new URL((await cli('url', 'web')).trim())
  await project.write('kiosk.stack.ts', stackFile({ options: `ports: { web: ${port} }` }).replace(/\.\.\.echoApp\(.*?\}\)/, "'./k8s'"))
  const dev = start('dev', '--watch')
  await dev.prints('Ctrl-C ends this')
  await project.write('k8s/public/page.txt', 'as it is now')
  const page = async () => cli('exec', 'deployment/web', '--', 'cat', '/public/page.txt')
  await expect.poll(page, { timeout: 30_000 }).toBe('as it is now')
  await project.write('k8s/web.json', app('saved'))
  await dev.prints(/changed +"k8s\/web\.json"/)
  // What is mounted needs nothing: neither was it told of.
  expect(dev.printed()).not.toContain('page.txt')
  await dev.prints(/✓ kiosk wait/)
  await expect.poll(fromPod, { timeout: 30_000 }).toBe('saved')
  await project.write('k8s/web.json', '{ "kind": 1')
  await dev.prints(/web\.json/)
  await expect.poll(dev.printed, { timeout: 30_000 }).toMatch(/web\.json.*(?:line 1|:1)/)
  // A text of its own: the pod from before the last change may still answer.
  await project.write('k8s/web.json', app('mended'))
  await expect.poll(fromPod, { timeout: 60_000 }).toBe('mended')
  await project.write('rows.sql', 'create table t (n int);')
  await dev.prints('not loaded again: npx vitest-kubernetes up kiosk --recreate')
  expect(await gateways()).toEqual(before)
  dev.child.kill('SIGINT')
  expect(await dev.exited).toBe(130)
  await expect.poll(() => objectsOf(dev.child), { timeout: 30_000 }).toEqual([])
})

test('it is there again when Docker starts its containers, in whatever order and at other addresses', { timeout: 180_000 }, async () => {
  const { name } = (await upCluster())!
  const url = (await cli('url', 'web')).trim()
  const containers = await docker.engine.listContainers({ filters: { network: [name] } })
  expect(containers).toHaveLength(2)
  for (const { Id } of containers) {
    const { HostConfig } = await docker.engine.getContainer(Id).inspect()
    expect(HostConfig.RestartPolicy?.Name).toBe('unless-stopped')
  }
  const [node, gateway] = ['server', 'gateway'].map((role) => containers.find(({ Names }) => Names[0]!.includes(role))!)
  for (const { Id } of containers) await docker.engine.getContainer(Id).stop({ t: 1 })
  // The first one to start gets the first address, which was the node's.
  await docker.engine.getContainer(gateway!.Id).start()
  await docker.engine.getContainer(node!.Id).start()
  // For a moment its rules may lead to pods that are not there yet: no connection is kept.
  const get = async () => (await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) })).text()
  await expect.poll(() => get().catch(String), { timeout: 90_000 }).toBe('mended')
  await expect.poll(rows, { timeout: 30_000 }).toBe('1,2,3,4')
  await cli('reset')
  expect(await rows()).toBe('1,2,3')
})

test('down takes all of it, and ends who bridges it', { timeout: 120_000 }, async () => {
  const { name, kubeconfigPath } = (await upCluster())!
  const local = createServer().listen(0)
  await once(local, 'listening')
  const bridge = start('bridge', 'deployment/web', '--port', String((local.address() as AddressInfo).port))
  await bridge.prints('is bridged')
  expect(JSON.parse(await cli('down', '--json'))).toEqual({ down: ['kiosk'] })
  expect(await bridge.exited).toBe(1)
  expect(bridge.printed()).toContain('Stack "kiosk" was taken down.')
  await expect.poll(() => objectsOf(bridge.child), { timeout: 30_000 }).toEqual([])
  local.close()
  const { containers, networks, volumes } = await listByLabel(docker, [`k3d.cluster=${name}`, `vitest-kubernetes.cluster=${name}`])
  expect([...containers, ...networks, ...volumes]).toEqual([])
  expect(existsSync(kubeconfigPath)).toBe(false)
  expect((await run('down')).err).toMatch(/^No stack is up\./)
})
