import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import supertest from 'supertest'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { findFreePort } from '../../cluster/network/free-port.ts'
import { runVitest } from '../../testing/run-vitest.ts'
import { type TempProject, createTempProject } from '../../testing/temp-project.ts'
import { runCli } from '../run-cli.ts'

const root = new URL('../../../', import.meta.url).pathname
const port = await findFreePort()
let project: TempProject

/** Of that path, so that other paths are changes. */
const stackFile = (path: string) => `
import { defineStack } from '${root}src/index.ts'
import { echoApp } from '${root}src/testing/echo-app.ts'
import { ingress, rule, to } from '${root}src/testing/ingress.ts'

export const shop = defineStack({
  images: ['busybox:1.37'],
  manifests: [...echoApp('web'), ingress('front', { ingressClassName: 'any', rules: [rule('shop.localhost', to('${path}', 'web'))] })],
  ports: { ingress: ${port} },
})
`
const suiteFile = `
import { describe, expect } from 'vitest-kubernetes'
import { ingress, rule, to } from '${root}src/testing/ingress.ts'
import { shop } from './shop.stack.ts'

describe.withCluster('suite', { ...shop, cluster: 'up' }, (test) => {
  test('uses the Ingress of the stack', async ({ cluster, request }) => {
    expect(cluster.url('ingress/front')).toBe('http://shop.localhost:${port}')
    await request('ingress/front').get('/').expect(200, 'web')
    await cluster.apply(ingress('more', { rules: [rule('more.localhost', to('/', 'web'))] }))
    expect(await (await fetch('http://more.localhost')).text()).toBe('web')
  })
})
`

async function cli(...args: readonly string[]): Promise<string> {
  let [out, err] = ['', '']
  const exitCode = await runCli(args, {
    print: (line) => void (out += `${line}\n`),
    note: (line) => void (err += `${line}\n`),
    write: (chunk) => void (out += String(chunk)),
    env: process.env,
    cwd: project.folder,
  })
  expect(exitCode, err).toBe(0)
  return out
}

/** In a process of its own: Node.js loads the stack's file once. */
async function up(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [`${root}src/cli/main.ts`, 'up'], { cwd: project.folder })
  return stdout
}

/** As a browser asks: it takes names under localhost for this machine. */
const ask = (path: string) => supertest(`http://127.0.0.1:${port}`).get(path).set('host', `shop.localhost:${port}`)

beforeAll(async () => {
  project = await createTempProject({ 'shop.stack.ts': stackFile('/'), 'a.test.ts': suiteFile })
}, 0)

afterAll(async () => {
  await cli('down')
  await project[Symbol.asyncDispose]()
}, 120_000)

test('up prints where Ingresses are served, and url and env know it', { timeout: 300_000 }, async () => {
  expect(await up()).toContain(`  ingress/front  http://shop.localhost:${port}/\n`)
  await ask('/').expect(200, 'web')
  expect(await cli('url')).toContain(`ingress:80 http://127.0.0.1:${port}\n`)
  expect(JSON.parse(await cli('url', '--json'))).toMatchObject({ ingresses: [{ name: 'front', url: `http://shop.localhost:${port}/` }] })
  expect(await cli('url', 'ingress/front')).toBe(`http://shop.localhost:${port}\n`)
  expect(await cli('env')).toContain(`INGRESS_FRONT_URL=http://shop.localhost:${port}\n`)
})

test('up again brings in changed rules', { timeout: 120_000 }, async () => {
  await project.write('shop.stack.ts', stackFile('/index.html'))
  expect(await up()).toContain(`http://shop.localhost:${port}/index.html\n`)
  await ask('/index.html').expect(200, 'web')
  await ask('/').expect(404)
  await project.write('shop.stack.ts', stackFile('/'))
  await up()
  await ask('/').expect(200, 'web')
})

test('a suite that uses what is up reaches it by its hosts, and undoes what it applies', { timeout: 120_000 }, async () => {
  const { exitCode, output } = await runVitest('', { folder: project.folder }).ended
  expect(output).toContain('stack "shop", which is up')
  expect(exitCode, output).toBe(0)
  expect(await cli('url')).not.toContain('more')
  await ask('/').expect(200, 'web')
})
