import { createServer } from 'node:http'
import http2 from 'node:http2'
import { createServer as createTcpServer } from 'node:net'
import { isDeepStrictEqual } from 'node:util'

import { expect } from 'vitest'

import type { TestCluster } from '../client/test-cluster.ts'
import { lineageOf } from '../kube/lineage.ts'
import type { KubeList, Pod } from '../kube/types.ts'
import { describe } from '../suite/describe.ts'
import { explain } from '../testing/explain.ts'
import { client, fetchInCluster, runInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { isReady, kubeOf, kubectl, nodeAddress, nodeName, podsOf, restartsOf } from '../testing/nodes.ts'
import { probedApps } from '../testing/probed-apps.ts'
import { proxiedApp, restrictedApp } from '../testing/special-apps.ts'
import type { LocalServer } from './options.ts'

const answer =
  (text: string): LocalServer =>
  (_, response) =>
    void response.end(text)

const service = (name: string, app: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app }, ...spec },
})

/** Declares no port; Services of every kind lead to it. */
const many = [
  nodeApp(
    'many',
    { kind: 'StatefulSet', ports: [] },
    `process.on('SIGTERM', () => process.exit(0)); for (const port of [3000, 3001]) require('node:http').createServer((q, r) => r.end('pod ' + port)).listen(port)`,
  )[0]!,
  service('many', 'many', { clusterIP: 'None', ports: [{ port: 3000 }] }),
  service('many-unnamed', 'many', { ports: [{ port: 80, targetPort: 3000 }] }),
  service('many-again', 'many', { ports: [{ name: 'web', port: 8080, targetPort: 3000 }] }),
  service('many-other', 'many', { ports: [{ port: 80, targetPort: 3001 }] }),
]

/** From outside of the cluster. */
const outside = [
  service('balanced', 'plain', { type: 'LoadBalancer', ports: [{ port: 8090, targetPort: 3000 }] }),
  service('near', 'near', { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, targetPort: 3000 }] }),
  service('sticky', 'plain', { sessionAffinity: 'ClientIP', ports: [{ port: 80, targetPort: 3000 }] }),
]

/** Workloads whose names and labels begin like another's, or whose selectors fit the pods of another. */
const shop = ['shop', 'shop-worker', 'shop-db', 'shop-agent', 'rear', 'rear-end'] as const
const kindOf = (name: string) => (name === 'shop-db' ? 'StatefulSet' : name === 'shop-agent' ? 'DaemonSet' : 'Deployment')
const shops = shop.map((name) => {
  const [app = '', component] = name.split('-')
  const labels = { app, ...(component && { component }) }
  const values = component ? [component] : ['end', 'front']
  const selector = app === 'rear' ? { matchExpressions: [{ key: 'part', operator: 'In', values }] } : { matchLabels: labels }
  const [workload] = nodeApp(name, { kind: kindOf(name) })
  const { template, ...spec } = workload!['spec'] as { template: object }
  const metadata = { labels: app === 'rear' ? { part: component ?? 'front' } : labels }
  return { ...workload!, spec: { ...spec, selector, template: { ...template, metadata } } }
})

const suite = {
  images: ['node:24-slim'],
  agents: 1,
  manifests: [
    client,
    ...many,
    ...nodeApp('plain', { replicas: 4 }),
    nodeApp('near')[0]!,
    ...outside,
    ...['a', 'b', 'c'].flatMap((name) => nodeApp(name)),
    ...proxiedApp,
    ...restrictedApp,
    ...probedApps,
    ...shops,
  ],
} as const

describe.withCluster('workloads', suite, (test) => {
  test('Services without port names, several on one port, headless and not, for a container that declares no port', async ({ cluster }) => {
    const server = { 3000: answer('local 3000'), 3001: answer('local 3001') }
    await using _bridge = await cluster.bridge('statefulset/many', { server })
    for (const [url, expected] of [
      ['http://many-unnamed/', 'local 3000'],
      ['http://many-again:8080/', 'local 3000'],
      ['http://many:3000/', 'local 3000'],
      ['http://many-0.many:3000/', 'local 3000'],
      ['http://many-other/', 'local 3001'],
    ] as const)
      expect(await fetchInCluster(cluster, url), url).toEqual([expected])
  })

  test('4 replicas on 2 nodes, 100 connections at the same time: none is answered by a pod', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
    expect(await bridge.pods()).toHaveLength(4)
    const answers = await runInCluster<string[]>(
      cluster,
      `return await Promise.all(Array.from({ length: 100 }, () => fetch('http://plain/', { headers: { connection: 'close' } }).then((response) => response.text())))`,
    )
    expect(answers).toEqual(Array(100).fill('local'))
  })

  test('a LoadBalancer leads here on the address of each node', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
    for (const node of ['server-0', 'agent-0']) {
      const url = `http://${await nodeAddress(cluster, node)}:8090/`
      await expect.poll(() => fetchHere(url), { timeout: 20_000 }).toBe('local')
    }
  })

  test('with externalTrafficPolicy: Local only the node of the pod answers, bridged or not', async ({ cluster }) => {
    const [pod] = await podsOf(cluster, 'near')
    const agent = await nodeName(cluster, 'agent-0')
    const [own, other] = pod!.spec!.nodeName === agent ? ['agent-0', 'server-0'] : ['server-0', 'agent-0']
    const { nodePort } = (await serviceOf(cluster, 'near')).spec.ports[0]!
    const [near, far] = await Promise.all([own, other].map(async (node) => `http://${await nodeAddress(cluster, node)}:${nodePort}/`))
    expect(await fetchHere(near!)).toMatch(/^pod near/)
    expect(await fetchHere(far!, 2_000)).toMatch(/TimeoutError|ECONNREFUSED/)
    await using _bridge = await cluster.bridge('deployment/near', { server: answer('local') })
    expect(await fetchHere(near!)).toBe('local')
    expect(await fetchHere(far!, 2_000)).toMatch(/TimeoutError|ECONNREFUSED/)
  })

  test('with sessionAffinity: ClientIP a caller stays with its pod, also when that pod or another one is bridged', async ({ cluster }) => {
    const [first] = await fetchInCluster(cluster, 'http://sticky/')
    const own = first!.slice('pod '.length)
    expect(await fetchInCluster(cluster, 'http://sticky/', 10)).toEqual(Array(10).fill(first))
    const other = (await podsOf(cluster, 'plain')).find(({ metadata }) => metadata!.name !== own)!.metadata!.name
    await using _other = await cluster.bridge(`pod/${other}`, { server: answer('other') })
    expect(await fetchInCluster(cluster, 'http://sticky/', 10)).toEqual(Array(10).fill(first))
    await using _own = await cluster.bridge(`pod/${own}`, { server: answer('own') })
    expect(await fetchInCluster(cluster, 'http://sticky/', 10)).toEqual(Array(10).fill('own'))
  })

  test('the local side sees an address of the cluster, not the caller’s, and X-Forwarded-For as it was sent', async ({ cluster }) => {
    const seen: string[] = []
    const server: LocalServer = ({ socket, headers }, response) => {
      seen.push(socket.remoteAddress!.replace('::ffff:', ''), String(headers['x-forwarded-for']))
      response.end()
    }
    await using _bridge = await cluster.bridge('deployment/plain', { server })
    await runInCluster(cluster, `await fetch('http://plain/', { headers: { 'x-forwarded-for': '203.0.113.7, 10.0.0.1' } })`)
    const nodes = await Promise.all(['server-0', 'agent-0'].map((node) => nodeAddress(cluster, node)))
    const pods = (await podsOf(cluster, 'plain')).map(({ status }) => status!.podIP!)
    expect(seen).toEqual([expect.toBeOneOf([...nodes, ...pods]), '203.0.113.7, 10.0.0.1'])
  })

  test('bridges of several workloads under traffic at the same time: no answer is another’s', async ({ cluster }) => {
    const names = ['a', 'b', 'c', 'plain']
    await using bridges = new AsyncDisposableStack()
    for (const name of names) bridges.use(await cluster.bridge(`deployment/${name}`, { server: answer(`local ${name}`) }))
    const answers = await runInCluster<Record<string, string[]>>(
      cluster,
      `const answers = {}
      await Promise.all(${JSON.stringify(names)}.flatMap((name) => Array.from({ length: 5 }, async () => {
        for (let i = 0; i < 50; i++) {
          const text = await fetch('http://' + name, { headers: { connection: 'close' } }).then((response) => response.text())
          answers[name] = [...new Set(answers[name]).add(text)]
        }
      })))
      return answers`,
    )
    expect(answers).toEqual(Object.fromEntries(names.map((name) => [name, [`local ${name}`]])))
  })

  test('the pods of a workload alone are bridged, also those of a rollout: not those that its selector or its name would fit as well', async ({
    cluster,
  }) => {
    const bridged = ['shop', 'shop-agent', 'rear']
    const kinds = shop.map((name) => `${kindOf(name).toLowerCase()}/${name}`)
    await using bridges = new AsyncDisposableStack()
    for (const name of bridged) {
      const bridge = await cluster.bridge(`${kindOf(name).toLowerCase()}/${name}`, { server: answer(`local ${name}`) })
      bridges.use(bridge)
    }
    // Straight to the pods: the Service of an app leads to the pods of several workloads.
    const ask = async () => {
      const kube = await kubeOf(cluster)
      const { items } = await kube.request<KubeList<Pod>>('GET', '/api/v1/namespaces/default/pods')
      const pods = items.filter(({ metadata }) => !metadata!.deletionTimestamp && /^(?:shop|rear)-/.test(metadata!.name!))
      return Promise.all(
        pods.map(async ({ metadata, status }) => {
          const owner = lineageOf({ kind: 'Pod', metadata }).at(-1)!.name
          return [owner, metadata!.name!, (await fetchInCluster(cluster, `http://${status!.podIP}:3000/`))[0]!] as const
        }),
      )
    }
    const expectOwn = async () => {
      const answers = await ask()
      expect(new Set(answers.map(([owner]) => owner))).toEqual(new Set(shop))
      for (const [owner, pod, text] of answers) expect(text, pod).toBe(bridged.includes(owner) ? `local ${owner}` : `pod ${pod}`)
    }
    await expectOwn()
    await kubectl(cluster, `rollout restart ${kinds.join(' ')}`)
    for (const kind of kinds) await kubectl(cluster, `rollout status ${kind} --timeout=60s`)
    await expectOwn()
  })

  test('a Job is a target too', async ({ cluster }) => {
    const kube = await kubeOf(cluster)
    // Not by cluster.apply, which waits until a Job has ended: so with the image under the name that the nodes have.
    const [{ spec }] = (await podsOf(cluster, 'plain')) as [Pod]
    const { image, command } = spec!.containers[0]!
    const template = {
      metadata: { labels: { app: 'errand' } },
      spec: { restartPolicy: 'Never', containers: [{ name: 'app', image, command }] },
    }
    await kube.request('POST', '/apis/batch/v1/namespaces/default/jobs', {
      body: { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'errand' }, spec: { template } },
    })
    await cluster.apply(nodeApp('errand')[1]!)
    await using _bridge = await cluster.bridge('job/errand', { server: answer('local') })
    expect(await fetchInCluster(cluster, 'http://errand/')).toEqual(['local'])
  })

  test('a namespace with a quota of one pod, limits and the restricted Pod Security Standard: nothing is created in it', async ({
    cluster,
  }) => {
    const kube = await kubeOf(cluster)
    const used = async () =>
      (await kube.request<{ status: { used: object } }>('GET', '/api/v1/namespaces/restricted/resourcequotas/quota')).status.used
    expect(await used()).toMatchObject({ pods: '1' })
    await using _bridge = await cluster.bridge('deployment/careful', { namespace: 'restricted', server: answer('local') })
    expect(await fetchInCluster(cluster, 'http://careful.restricted/')).toEqual(['local'])
    expect(await used()).toMatchObject({ pods: '1' })
    expect(await podsOf(cluster, 'careful', 'restricted')).toHaveLength(1)
  })

  test('what comes through a proxy sidecar reaches the local side, with what the proxy adds', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/meshed', { containerName: 'app', server: { http: answer('local') } })
    expect(await fetchInCluster(cluster, 'http://meshed/orders')).toEqual(['local'])
    await bridge.expectLocal({ path: '/orders', headers: { 'x-forwarded-client-cert': 'By=spiffe://cluster.local/meshed' } })
  })

  test('gRPC, TCP and startup probes stay with the pods, also with new ones, when the local side never answers; 6 s with a period of 1 s', async ({
    cluster,
  }) => {
    let connections = 0
    const silent = () =>
      createTcpServer((socket) => {
        connections++
        socket.on('error', () => socket.destroy())
      })
    const names = ['probed-grpc', 'probed-tcp', 'probed-startup']
    const before = new Map(await Promise.all(names.map(async (name) => [name, restartsOf(await podsOf(cluster, name))] as const)))
    await using bridges = new AsyncDisposableStack()
    for (const name of names) bridges.use(await cluster.bridge(`deployment/${name}`, { server: { app: silent() } }))
    await kubectl(cluster, `scale --replicas=2 ${names.map((name) => `deploy/${name}`).join(' ')}`)
    for (const name of names) await kubectl(cluster, `rollout status deploy/${name} --timeout=60s`)
    await new Promise((resolve) => setTimeout(resolve, 6_000))
    for (const name of names) {
      const pods = await podsOf(cluster, name)
      const state = [name, pods.length, pods.every(isReady), restartsOf(pods).toSorted((a, b) => a - b), connections]
      const expected = [name, 2, true, [0, ...before.get(name)!], 0]
      expect(state, isDeepStrictEqual(state, expected) ? '' : await explain(cluster)).toEqual(expected)
    }
    await runInCluster(cluster, `await (await import('node:events')).once((await import('node:net')).connect(80, 'probed-tcp'), 'connect')`)
    await expect.poll(() => connections).toBe(1)
  })

  test('gRPC and startup probes go to the local side when asked', async ({ cluster }) => {
    const health = http2.createServer().on('stream', (stream) => {
      stream.on('error', () => {})
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      // Of grpc.health.v1: a message of two bytes, status SERVING.
      stream.end(Buffer.of(0, 0, 0, 0, 2, 8, 1))
    })
    await using grpc = await cluster.bridge('deployment/probed-grpc', { server: { app: health }, probes: 'local' })
    await using startup = await cluster.bridge('deployment/probed-startup', { server: { app: answer('up') }, probes: 'local' })
    await grpc.expectLocal({ path: '/grpc.health.v1.Health/Check' }, { timeout: 10_000 })
    await kubectl(cluster, 'rollout restart deploy/probed-startup')
    await startup.expectLocal({ path: '/started', headers: { 'user-agent': /^kube-probe/ } }, { timeout: 30_000 })
    await kubectl(cluster, 'rollout status deploy/probed-startup --timeout=60s')
  })

  test('an exec probe that calls the port goes to the local side, as documented', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/probed-exec', {
      server: createServer((_, response) => void response.end('fine')),
    })
    await bridge.expectLocal({ path: '/exec' }, { timeout: 20_000 })
    expect((await podsOf(cluster, 'probed-exec')).every(isReady)).toBe(true)
  })
})

/** The text, or the name of what went wrong. */
async function fetchHere(url: string, limit = 10_000): Promise<string> {
  try {
    return await (await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(limit) })).text()
  } catch (error) {
    const { name, cause } = error as Error & { cause?: { code?: string } }
    return cause?.code ?? name
  }
}

async function serviceOf(cluster: TestCluster, name: string) {
  const kube = await kubeOf(cluster)
  return kube.request<{ spec: { ports: { nodePort: number }[] } }>('GET', `/api/v1/namespaces/default/services/${name}`)
}
