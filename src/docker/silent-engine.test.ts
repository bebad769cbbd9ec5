import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Dockerode from 'dockerode'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { connectDocker } from './docker.ts'
import { limitRequests } from './limit-requests.ts'

const sockets = new Set<Socket>()
const server = createServer((socket) => void sockets.add(socket.on('error', () => socket.destroy())))
let folder: string

beforeAll(async () => {
  // It takes its time to load, which is not the engine's.
  await import('testcontainers')
  folder = await mkdtemp(join(tmpdir(), 'engine-'))
  await new Promise<void>((resolve) => server.listen(join(folder, 'docker.sock'), resolve))
}, 60_000)

afterAll(async () => {
  vi.unstubAllEnvs()
  for (const socket of sockets) socket.destroy()
  server.close()
  await rm(folder, { recursive: true })
})

test('an engine that takes the connection and never answers is given up, with its address and what it was asked', async () => {
  const address = `unix://${join(folder, 'docker.sock')}`
  // As testcontainers finds it without DOCKER_HOST.
  await writeFile(join(folder, '.testcontainers.properties'), `docker.host=${address}\n`)
  vi.stubEnv('HOME', folder)
  vi.stubEnv('DOCKER_HOST', undefined)
  await expect(connectDocker(1_000)).rejects.toMatchObject({
    code: 'ERR_DOCKER_UNAVAILABLE',
    message: expect.stringContaining(`No Docker engine answers: ${address} did not answer GET /info within 1000 ms.\nHint: `) as string,
  })
})

test('an engine that has gone away is named, for streams too', async () => {
  const engine = new Dockerode({ socketPath: '/nowhere/docker.sock' })
  limitRequests(engine)
  const gone = {
    code: 'ERR_DOCKER_UNAVAILABLE',
    message: expect.stringMatching(
      /^The Docker engine at unix:\/\/\/nowhere\/docker\.sock has gone away: connect ENOENT \/nowhere\/docker\.sock\.\nHint: /,
    ) as string,
  }
  await expect(engine.ping()).rejects.toMatchObject(gone)
  await expect(engine.getEvents()).rejects.toMatchObject(gone)
})
