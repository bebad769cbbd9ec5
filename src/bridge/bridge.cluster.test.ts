import { createServer } from 'node:http'

import { expect } from 'vitest'

import type { Pod } from '../kube/types.ts'
import { describe } from '../suite/describe.ts'
import type { TestCluster } from '../suite/test-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'

/** A client in the cluster; keeps no connection open. */
async function fetchInCluster(cluster: TestCluster, url: string, times = 1): Promise<string[]> {
  const script = `
    const answers = []
    for (let i = 0; i < ${times}; i++) {
      const response = await fetch(${JSON.stringify(url)}, { headers: { connection: 'close' } })
      answers.push(await response.text())
    }
    console.log(JSON.stringify(answers))`
  const { stdout } = await cluster.exec('deployment/client', ['node', '--input-type=module', '-e', script])
  return JSON.parse(stdout) as string[]
}

const client = nodeApp('client', {}, 'setInterval(() => {}, 1000)')[0]!

describe.withCluster('bridge', { images: ['node:24-slim'], manifests: [client, ...nodeApp('shop', { replicas: 2 })] }, (test) => {
  test('the next request after bridge is answered here, the next after its disposal by a pod, and no object changes', async ({
    cluster,
  }) => {
    const before = await versions(cluster)
    expect(await fetchInCluster(cluster, 'http://shop/', 4)).toEqual(Array(4).fill(expect.stringMatching(/^pod shop-/)))

    const bridge = await cluster.bridge('deployment/shop', { server: (_, response) => void response.end('local') })
    expect(await fetchInCluster(cluster, 'http://shop/', 10)).toEqual(Array(10).fill('local'))
    expect(bridge.received).toHaveLength(10)
    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://shop/', 10)).toEqual(Array(10).fill(expect.stringMatching(/^pod shop-/)))

    expect(await versions(cluster)).toEqual(before)
  })

  test('a server that listens already keeps its own port too', async ({ cluster }) => {
    const server = createServer((_, response) => void response.end('mine'))
    await using bridge = await cluster.bridge('deployment/shop', { server })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['mine'])
    expect(await bridge.expectLocal({ method: 'GET', path: '/' })).toMatchObject({ headers: { host: 'shop' } })
  })

  test('an image runs in the place of the pods and reaches the cluster by name', async ({ cluster }) => {
    const script = `require('node:http').createServer(async (q, r) => r.end('container ' + (q.url === '/' ? process.env.KUBERNETES_PORT : await (await fetch('http://shop' + '/')).text()))).listen(3000, '127.0.0.1')`
    await using bridge = await cluster.bridge('deployment/shop', { image: 'node:24-slim', command: ['node', '-e', script] })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([expect.stringMatching(/^container tcp:/)])
    // Its own Service leads back to it.
    expect(await fetchInCluster(cluster, 'http://shop/self')).toEqual([expect.stringMatching(/^container container tcp:/)])
    expect(bridge.container?.getId()).toBeTruthy()
  })

  test('a process on the host stands in, and reaches the cluster by name', async ({ cluster }) => {
    const script = `require('node:http').createServer(async (q, r) => r.end('process ' + process.env.KUBERNETES_PORT)).listen(33000, '127.0.0.1')`
    await using bridge = await cluster.bridge('deployment/shop', { command: ['node', '-e', script], ports: { http: 33000 } })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([expect.stringMatching(/^process tcp:/)])
    expect(await bridge.pods()).toHaveLength(2)
  })

  test('code in the test process reaches Services by their names', async ({ cluster }) => {
    expect(cluster.namespace).toBe('default')
    expect(await (await fetch('http://shop.default.svc.cluster.local/')).text()).toMatch(/^pod shop-/)
  })
})

async function versions(cluster: TestCluster): Promise<unknown> {
  const deployment = await cluster.get<{ metadata: { resourceVersion: string } }>('deployment/shop')
  const { stdout } = { stdout: '' }
  void stdout
  const pods: Pod[] = []
  return { deployment: deployment.metadata.resourceVersion, pods }
}
