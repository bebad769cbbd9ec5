import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import Dockerode from 'dockerode'
import { expect, test } from 'vitest'

import { removeByLabel } from './remove.ts'

/** An engine with one container, which somebody else is removing for that long. */
async function startEngine(milliseconds: number): Promise<AsyncDisposable & { readonly engine: Dockerode }> {
  let gone = Infinity
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.method === 'DELETE') {
      gone = Math.min(gone, performance.now() + milliseconds)
      return answer(409, { message: 'removal of container slow is already in progress' })
    }
    const isThere = request.url!.startsWith('/containers/json') && performance.now() < gone
    answer(
      200,
      request.url!.startsWith('/volumes') ? { Volumes: [] } : isThere ? [{ Id: '1', Names: ['/slow'], Labels: {}, Mounts: [] }] : [],
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    engine: new Dockerode({ host: '127.0.0.1', port, protocol: 'http' }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('what somebody else is removing is waited for, longer than what is refused is tried again', async () => {
  await using docker = await startEngine(500)
  await removeByLabel(docker, ['a=b'], { limit: 0 })
  expect(await docker.engine.listContainers()).toEqual([])
})
