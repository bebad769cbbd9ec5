import { expect, test } from 'vitest'

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
