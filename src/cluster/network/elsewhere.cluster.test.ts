import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { connectDocker } from '../../docker/docker.ts'
import { readSettings } from '../../engine/settings.ts'
import { substituteImage } from '../../stack/images/image-names.ts'
import { findRemains } from '../../testing/find-remains.ts'
import { type OtherMachine, canStartOtherMachine, startOtherMachine } from '../../testing/other-machine.ts'
import { findTraces, runVitest } from '../../testing/run-vitest.ts'
import { createTempProject } from '../../testing/temp-project.ts'

const root = new URL('../../../', import.meta.url).pathname
let machine: OtherMachine

test('a suite passes in a container that was given the socket of the engine', { timeout: 300_000 }, async () => {
  const { engine } = await connectDocker()
  const { socketPath } = engine.modem as { socketPath?: string }
  const { k3d, substitutes } = readSettings(process.env)
  const folder = process.env['PATH']!.split(':').find((each) => existsSync(join(each, k3d)))!
  const container = await engine.createContainer({
    Image: substituteImage(substitutes, 'node:24-slim'),
    Entrypoint: ['node', join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', join(root, 'fixtures/suites'), 'elsewhere'],
    Cmd: [],
    Env: [
      ...Object.entries(process.env).flatMap(([name, value]) => (/^(?:VITEST_KUBERNETES|K3D)_/.test(name) ? [`${name}=${value}`] : [])),
      ...['NO_COLOR=1', `PATH=${folder}:/usr/local/bin:/usr/bin:/bin`],
    ],
    Tty: true,
    // The suite mounts a folder of the checkout.
    HostConfig: { Binds: [`${socketPath}:/var/run/docker.sock`, `${root}:${root}`, `${folder}:${folder}:ro`] },
  })
  onTestFinished(() => container.remove({ force: true, v: true }))
  const output = text((await container.attach({ stream: true, stdout: true, stderr: true })) as Duplex)
  await container.start()
  const { StatusCode } = (await container.wait()) as { StatusCode: number }
  expect(StatusCode, await output).toBe(0)
  expect(await output).toContain('Tests  6 passed (6)')
  expect(await findTraces(await output)).toEqual([])
})

describe.skipIf(!canStartOtherMachine)('where the ports that Docker publishes are on another machine', () => {
  beforeAll(async () => {
    machine = await startOtherMachine()
  })
  afterAll(() => machine[Symbol.asyncDispose]())

  test('a suite passes with the engine by TLS', { timeout: 300_000 }, async () => {
    const { exitCode, output } = await runVitest('elsewhere', { enter: machine.enter, env: machine.env.tls }).ended
    expect(exitCode, output).toBe(0)
    expect(output).toContain('Tests  6 passed (6)')
    expect(output).toMatch(
      /! elsewhere cluster +the ports that Docker publishes are another machine's: container "vk-\S+-tunnel-\S+" forwards them/,
    )
    expect(await findTraces(output)).toEqual([])
  })

  test('a killed run leaves nothing', { timeout: 300_000 }, async () => {
    const run = runVitest('long', { enter: machine.enter, env: machine.env.tcp })
    onTestFinished(() => void run.child.kill('SIGTERM'))
    await run.prints('the test runs in process')
    run.child.kill('SIGKILL')
    await expect.poll(() => findRemains(run.output()), { timeout: 30_000, interval: 250 }).toEqual([])
  })

  test('a folder that the engine sees otherwise is refused', { timeout: 300_000 }, async () => {
    await using project = await createTempProject({
      'mounts.test.ts': `
import { describe } from 'vitest-kubernetes'
import { echoApp } from '${root}src/testing/echo-app.ts'
describe.withCluster('mounts', { manifests: echoApp('shop'), mount: { 'deployment/shop': { './page': '/page' } } }, (test) => {
  test('never runs', () => {})
})`,
    })
    const page = join(project.folder, 'page')
    await mkdir(page)
    const hide = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs none ${page} && exec "$@"`, 'sh']
    const { output } = await runVitest('', { enter: [...machine.enter, ...hide], folder: project.folder }).ended
    expect(output).toContain(
      `ClusterTestError: "${page}" cannot be mounted: on the Docker engine's machine, something else is at that path.`,
    )
    expect(output).toMatch(/Hint: Let the engine and vitest see the same folder at the same path/)
    expect(await findTraces(output)).toEqual([])
  })

  test('commands reach a stack that is up', { timeout: 300_000 }, async () => {
    await using cleanup = new AsyncDisposableStack()
    const project = cleanup.use(
      await createTempProject({
        'stall.stack.ts': `
import { defineStack, postgres } from '${root}src/index.ts'
import { echoApp } from '${root}src/testing/echo-app.ts'
export const stall = defineStack({
  manifests: echoApp('web', { text: 'web' }),
  services: { db: postgres() },
  seed: { db: './rows.sql' },
  ports: { web: 4811 },
})`,
        'rows.sql': 'create table t (n int); insert into t values (1), (2);',
      }),
    )
    const start = (...args: readonly string[]) => {
      const [program, ...rest] = [...machine.enter, process.execPath, `${root}src/cli/main.ts`, ...args]
      return spawn(program!, rest, { cwd: project.folder, env: { ...process.env, ...machine.env.tcp }, stdio: ['ignore', 'pipe', 'pipe'] })
    }
    const cli = async (...args: readonly string[]) => {
      const child = start(...args)
      const exited = once(child, 'exit')
      const [out, err, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), exited])
      expect(exitCode, err).toBe(0)
      return { out, err }
    }
    const count = async () => (await cli('exec', 'db', '--', 'psql', '-U', 'app', '-Atc', 'select count(*) from t')).out
    const fetchPage = `fetch('http://127.0.0.1:4811').then((answer) => answer.text()).then(console.log)`
    cleanup.defer(async () => void (await cli('down')))
    const { out, err } = await cli('up')
    expect(err).toMatch(/the ports that Docker publishes are another machine's: container ".*" forwards them while this process runs/)
    const [, cluster = ''] = /docker exec k3d-(vk-\S+)-server-0 kubectl get pods/.exec(out)!
    expect((await cli('url', 'web')).out).toBe('http://127.0.0.1:4811\n')
    await cli('exec', 'db', '--', 'psql', '-U', 'app', '-c', 'delete from t')
    expect(await count()).toBe('0\n')
    await cli('reset')
    expect(await count()).toBe('2\n')
    expect((await cli('dev', '--', process.execPath, '-e', fetchPage)).out).toContain('web\n')
    expect((await cli('logs', cluster, '--tail', '1')).out).not.toBe('')
    expect((await cli('up')).out).toContain('http://127.0.0.1:4811')

    // Beside a process that forwards the same ports.
    const dev = start('dev', '--', process.execPath, '-e', 'console.log("runs"); setInterval(() => {}, 1000)')
    const [line] = (await once(createInterface({ input: dev.stdout }), 'line')) as [string]
    expect(line).toBe('runs')
    expect((await cli('url', 'web')).out).toBe('http://127.0.0.1:4811\n')
    expect(await count()).toBe('2\n')
    expect(
      (await cli('dev', '--', process.execPath, '-e', 'fetch(process.env.WEB_URL).then((answer) => answer.text()).then(console.log)')).out,
    ).toContain('web\n')
    dev.kill('SIGINT')
    await once(dev, 'exit')
  })
})
