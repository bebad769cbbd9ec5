import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { silentServer } from '../testing/silent-server.ts'
import { createKubeClient } from './client.ts'
import { streamPodLog } from './logs.ts'

test('gives an API server up that takes the connection and never answers, and says where and what', async () => {
  await using server = await silentServer()
  const client = createKubeClient(server.kubeconfig)
  await expect(client.request('GET', '/api/v1/pods', { timeout: 100 })).rejects.toMatchObject({
    code: 'ERR_KUBE_UNREACHABLE',
    message: `The API server at ${server.url} did not answer GET /api/v1/pods: no answer within 100 ms.`,
  })
  await expect(streamPodLog(client, 'default', 'pod', { follow: true, patience: 100 })).rejects.toMatchObject({
    code: 'ERR_KUBE_UNREACHABLE',
    message: `The API server at ${server.url} did not answer GET /api/v1/namespaces/default/pods/pod/log: no answer within 100 ms.`,
  })
})

test('leaves the reason of whoever cancels a request', async () => {
  await using server = await silentServer()
  const client = createKubeClient(server.kubeconfig)
  const stop = AbortSignal.abort(new Error('enough'))
  await expect(client.request('GET', '/api/v1/pods', { signal: stop })).rejects.toThrow('enough')
})

test('what several callers look up at the same time goes on for the others when one of them gives up', async () => {
  await using server = await silentServer()
  const client = createKubeClient(server.kubeconfig)
  const stop = new AbortController()
  const impatient = client.resource('apps/v1', 'Deployment', stop.signal)
  const patient = client.resource('apps/v1', 'Deployment', AbortSignal.timeout(500))
  stop.abort(new Error('enough'))
  await expect(impatient).rejects.toThrow('enough')
  await expect(patient).rejects.toMatchObject({ name: 'TimeoutError' })
})

test('sends the token of a file', async () => {
  const sent: (string | undefined)[] = []
  const server = createServer(({ headers }, response) => {
    sent.push(headers.authorization)
    response.end('{}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'token-'))
  onTestFinished(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, 'of-the-file')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createKubeClient(
    JSON.stringify({
      'current-context': 'a',
      clusters: [{ name: 'a', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'a', user: { tokenFile } }],
      contexts: [{ name: 'a', context: { cluster: 'a', user: 'a', namespace: 'it-1' } }],
    }),
  )
  await client.request('GET', '/api')
  expect(sent).toEqual(['Bearer of-the-file'])
  expect(client.scope).toBe('it-1')
})
