import { type AddressInfo, type Socket, createServer } from 'node:net'

import { expect, test } from 'vitest'

import { createKubeClient } from './client.ts'
import { streamPodLog } from './logs.ts'

/** Takes connections and says nothing. */
async function silentServer(): Promise<AsyncDisposable & { readonly kubeconfig: string; readonly url: string }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => socket.destroy())))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    kubeconfig: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: url } }],
      users: [{ name: 'u', user: { token: 'none' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

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
