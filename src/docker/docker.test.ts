import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import Dockerode from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { connectDocker } from './docker.ts'
import { limitRequests } from './limit-requests.ts'

/** An engine of API 1.44 to 1.52 that answers the first requests, and then falls silent. */
const requests: string[] = []
const server = createServer((request: IncomingMessage, response) => {
  const path = request.url!.replace(/\?.*/, '')
  requests.push(path)
  const answers: Readonly<Record<string, unknown>> = {
    '/info': { MemTotal: 8e9, NCPU: 4, Architecture: 'x86_64', CgroupVersion: '2', OperatingSystem: 'Linux' },
    '/version': { Version: '29.1.0', ApiVersion: '1.52', MinAPIVersion: '1.44' },
  }
  const refused = /^\/v1\.\d+\//.test(path) && Number(path.split('.')[1]!.split('/')[0]) < 44
  if (refused) response.writeHead(400).end(JSON.stringify({ message: 'client version is too old. Minimum supported API version is 1.44' }))
  else if (path in answers) response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answers[path]))
})
let folder: string
const socket = () => join(folder, 'docker.sock')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
  await new Promise<void>((resolve) => server.listen(socket(), resolve))
  process.env.DOCKER_HOST = `unix://${socket()}`
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

test('speaks with an engine whatever versions of the API it has', async () => {
  delete process.env.DOCKER_API_VERSION
  expect(await connectDocker()).toMatchObject({ env: {}, processors: 4, cgroupVersion: 2, platform: 'linux/amd64' })
  expect(requests.filter((path) => path.startsWith('/v'))).toEqual(['/version'])
})

test.for([
  ['1.41', { DOCKER_API_VERSION: '' }],
  ['1.53', { DOCKER_API_VERSION: '' }],
  ['1.44', {}],
  ['1.52', {}],
] as const)('passes DOCKER_API_VERSION %s on to k3d only if the engine has it', async ([version, env]) => {
  process.env.DOCKER_API_VERSION = version
  expect((await connectDocker()).env).toEqual(env)
})

test('gives an engine up that takes a request and never answers, and says where and what', async () => {
  const engine = new Dockerode({ socketPath: socket() })
  limitRequests(engine, 100)
  await expect(engine.listNetworks()).rejects.toMatchObject({
    code: 'ERR_DOCKER_UNAVAILABLE',
    message: expect.stringMatching(
      new RegExp(`^The Docker engine at unix://${socket()} did not answer GET /networks within 100 ms\\.\nHint: `),
    ) as string,
  })
})

test('leaves the reason of whoever cancels a request', async () => {
  const engine = new Dockerode({ socketPath: socket() })
  limitRequests(engine, 60_000)
  const networks = engine.listNetworks({ abortSignal: AbortSignal.timeout(50) })
  await expect(networks).rejects.toMatchObject({ name: 'AbortError' })
})
