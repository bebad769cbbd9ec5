import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { readProgram } from '../../docker/read-program.ts'
import { openTunnel } from './tunnel.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relay-'))
  await writeFile(join(folder, 'relay'), await readProgram('relay', process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'))
  await chmod(join(folder, 'relay'), 0o755)
  await writeFile(join(folder, 'token'), 'token')
})
afterAll(() => rm(folder, { recursive: true }))

async function listen(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** @param api port of the API server */
function keep(meeting: string, api: number): { readonly child: ChildProcess; readonly ended: Promise<number> } {
  const started = performance.now()
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api) }
  const child = spawn(join(folder, 'relay'), ['keep', '1s', join(folder, meeting), '127.0.0.1:0', join(folder, 'token')], {
    env,
    stdio: 'inherit',
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, ended: once(child, 'exit').then(() => performance.now() - started) }
}

function connect(meeting: string) {
  const child = spawn(join(folder, 'relay'), ['tunnel', join(folder, meeting)], { stdio: ['pipe', 'pipe', 'ignore'] })
  const tunnel = openTunnel(Duplex.from({ writable: child.stdin, readable: child.stdout }), (chunk) => [chunk])
  onTestFinished(() => tunnel.close())
  return tunnel
}

test('stays while a tunnel is open, and ends when none has been for a while', async () => {
  const { ended } = keep('a', await listen())
  await sleep(300)
  const tunnel = connect('a')
  expect(await tunnel.answers()).toBe(true)
  await sleep(3_000)
  const second = connect('a')
  expect(await second.answers()).toBe(true)
  tunnel.close()
  await sleep(1_500)
  expect(await second.answers()).toBe(true)
  second.close()
  expect(await ended).toBeGreaterThan(4_800)
})

test('waits longer where the API server is away, since nobody can come', async () => {
  expect(await keep('b', 1).ended).toBeGreaterThan(7_000)
  expect(await keep('c', await listen()).ended).toBeLessThan(6_000)
})

test('takes the place of one that was ended', async () => {
  const first = keep('d', await listen())
  await sleep(200)
  first.child.kill('SIGKILL')
  await first.ended
  keep('d', await listen())
  await sleep(300)
  expect(await connect('d').answers()).toBe(true)
})
