import { once } from 'node:events'
import { Agent, type IncomingMessage, createServer, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect } from 'vitest'

import type { KubeObject } from '../kube/object.ts'
import { describe } from '../suite/describe.ts'
import { explain } from '../testing/explain.ts'
import { client, fetchInCluster, runInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { kubeOf, kubectl, nodeAddress, podsOf } from '../testing/nodes.ts'
import { takeSettledStock, takeStock } from '../testing/take-stock.ts'
import type { LocalServer } from './options.ts'

const answer =
  (text: string): LocalServer =>
  (_, response) =>
    void response.end(text)

/** Generous for a busy machine, on which an answer may take a second. */
const probe = { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 1 }

/** Answers on two ports, tells its health, and has a neighbour that shares its loopback. */
const shop = nodeApp(
  'shop',
  {
    replicas: 2,
    container: {
      startupProbe: { ...probe, failureThreshold: 60 },
      readinessProbe: probe,
      livenessProbe: { ...probe, failureThreshold: 2 },
    },
    sidecars: [{ name: 'sidecar', image: 'node:24-slim', command: ['node', '-e', 'setInterval(() => {}, 1000)'] }],
    ports: [
      { name: 'http', containerPort: 3000 },
      { name: 'metrics', containerPort: 9090 },
    ],
    service: {
      type: 'NodePort',
      ports: [
        { name: 'http', port: 80, targetPort: 'http' },
        { name: 'metrics', port: 9090 },
        { name: 'extra', port: 8081, targetPort: 8081 },
      ],
    },
  },
  `const http = require('node:http')
  process.on('SIGTERM', () => process.exit(0))
  for (const port of [3000, 9090, 8081]) http.createServer((q, r) => r.end('pod ' + require('node:os').hostname() + ' ' + port)).listen(port)`,
)

/** Ready as soon as it runs; stays for a moment when it has to go, as every Deployment has to whose rollouts are to lose nothing. */
const plain = nodeApp('plain', {
  replicas: 2,
  container: { lifecycle: { preStop: { sleep: { seconds: 6 } } } },
  pod: { terminationGracePeriodSeconds: 15 },
})
const suite = { images: ['node:24-slim'], agents: 1, manifests: [client, ...shop, ...plain] }

describe.withCluster('bridge', suite, (test) => {
  test('the next request after bridge is answered here, the next after its disposal by a pod, and nothing is left', async ({ cluster }) => {
    const before = await takeSettledStock(cluster)
    expect(await fetchInCluster(cluster, 'http://shop/', 4)).toEqual(Array(4).fill(expect.stringMatching(/^pod shop-/)))

    const bridge = await cluster.bridge('deployment/shop', { server: answer('local') })
    expect(await fetchInCluster(cluster, 'http://shop/', 10)).toEqual(Array(10).fill('local'))
    expect(await bridge.pods()).toHaveLength(2)
    expect((await takeStock(cluster)).objects).toEqual(before.objects)
    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://shop/', 10)).toEqual(Array(10).fill(expect.stringMatching(/^pod shop-/)))

    expect(await takeStock(cluster)).toEqual(before)
    await bridge[Symbol.asyncDispose]()
  })

  test('10,000 requests during 20 cycles: none is answered by the wrong side, and none fails', async ({ cluster }) => {
    const url = cluster.url('plain')
    let side: 'pod' | 'to local' | 'local' | 'to pod' = 'pod'
    const wrong: string[] = []
    const failed: string[] = []
    let requests = 0
    let isOver = false
    const ask = async () => {
      while (!isOver) {
        const expected = side
        const { status, text } = await get(url).then(
          (body) => ({ status: 'answered', text: body }),
          (error: Error) => ({ status: 'failed', text: String(error) }),
        )
        requests++
        // Of a request that crosses a change either answer is right.
        if (!expected.startsWith('to ') && expected === side && !text.startsWith(expected)) wrong.push(`${expected}: ${text}`)
        else if (status === 'failed') failed.push(`${expected}, ${side}: ${text}`)
      }
    }
    const askers = Array.from({ length: 8 }, ask)
    for (let cycle = 1; cycle <= 20; cycle++) {
      side = 'to local'
      const bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
      side = 'local'
      await reach(cycle * 500 - 250)
      side = 'to pod'
      await bridge[Symbol.asyncDispose]()
      side = 'pod'
      await reach(cycle * 500)
    }
    isOver = true
    await Promise.all(askers)
    expect(wrong).toEqual([])
    expect(failed).toEqual([])
    expect(requests).toBeGreaterThanOrEqual(10_000)

    async function reach(count: number): Promise<void> {
      while (requests < count) await sleep(5)
    }
  }, 300_000)

  test('restart, scaling, deletion and a crash under traffic: every request is answered here', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
    const answers = new Map<string, number>()
    let isOver = false
    const asking = (async () => {
      while (!isOver) {
        const text = await get(cluster.url('plain')).catch(async (error) => `${String(error)}\n${await explain(cluster)}`)
        answers.set(text, (answers.get(text) ?? 0) + 1)
      }
    })()
    await kubectl(cluster, 'rollout restart deploy/plain')
    await kubectl(cluster, 'rollout status deploy/plain')
    await kubectl(cluster, 'scale --replicas=5 deploy/plain')
    await kubectl(cluster, 'rollout status deploy/plain')
    expect(await bridge.pods()).toHaveLength(5)
    const [first] = await podsOf(cluster, 'plain')
    await kubectl(cluster, `delete pod ${first!.metadata!.name}`)
    await kubectl(cluster, 'rollout status deploy/plain')
    await cluster.exec('deployment/plain', ['kill', '1'], { reject: false })
    await kubectl(cluster, 'scale --replicas=2 deploy/plain')
    await kubectl(cluster, 'rollout status deploy/plain')
    // A busy machine takes longer for as many.
    await expect.poll(() => answers.values().reduce((sum, count) => sum + count, 0), { timeout: 30_000 }).toBeGreaterThan(100)
    isOver = true
    await asking
    expect([...answers.keys()]).toEqual(['local'])
  })

  test('pods that are on their way out when a bridge begins send what still comes to them here too', async ({ cluster }) => {
    // Longer than a bridge and 50 requests take on a busy machine: a request that is under way when its pod goes gets no answer.
    const lifecycle = { preStop: { sleep: { seconds: 12 } } }
    await cluster.apply(nodeApp('leaving', { replicas: 2, container: { lifecycle }, pod: { terminationGracePeriodSeconds: 30 } }))
    for (let i = 0; i < 2; i++) {
      // kube-proxy sends requests to a pod for up to a second after its deletion, and for longer while no other is ready.
      await kubectl(cluster, 'delete pod -l app=leaving --wait=false')
      await using _bridge = await cluster.bridge('deployment/leaving', { server: answer('local') })
      const answers = new Set<string>()
      for (let request = 0; request < 50; request++) answers.add(await get(cluster.url('leaving')))
      expect([...answers]).toEqual(['local'])
      const pods = async () => (await kubectl(cluster, 'get pods -l app=leaving -o name')).trim().split('\n')
      await expect.poll(pods, { timeout: 60_000, interval: 500 }).toHaveLength(2)
    }
  })

  test('bridges that come and go while pods do leave no rule behind', async ({ cluster }) => {
    for (let i = 0; i < 10; i++) {
      await kubectl(cluster, `scale --replicas=${i % 2 ? 1 : 4} deploy/plain`)
      const bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
      await bridge[Symbol.asyncDispose]()
    }
    await kubectl(cluster, 'scale --replicas=2 deploy/plain')
    await kubectl(cluster, 'rollout status deploy/plain')
    expect((await takeStock(cluster)).nodes.join('\n')).not.toMatch(/VK-|bridge-|gone-|events/)
  })

  test('a workload whose name begins in the same way, and that comes meanwhile, answers for itself', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
    await cluster.apply(nodeApp('plain-too', { replicas: 2 }))
    expect(await fetchInCluster(cluster, 'http://plain-too/', 6)).toEqual(Array(6).fill(expect.stringMatching(/^pod plain-too/)))
    expect(await fetchInCluster(cluster, 'http://plain/', 2)).toEqual(['local', 'local'])
  })

  test('a workload that is scaled to none is bridged as soon as it has pods', async ({ cluster }) => {
    await cluster.apply(nodeApp('sleeper'))
    await cluster.scale('deployment/sleeper', 0)
    await using bridge = await cluster.bridge('deployment/sleeper', { server: answer('awake') })
    expect(await bridge.pods()).toEqual([])
    // Which waits until the nodes have the Service's rules: a connection that comes before hangs, k3s 1.36.
    await cluster.scale('deployment/sleeper', 1)
    // By its address: CoreDNS may not know the name of a new Service for many seconds when it has lost its watch.
    const address = await kubectl(cluster, 'get service sleeper -o jsonpath={.spec.clusterIP}')
    expect(await fetchInCluster(cluster, `http://${address}/`)).toEqual(['awake'])
    expect(await bridge.pods()).toHaveLength(1)
  })

  test('a connection from before the bridge finishes its answer, and never asks the original again', async ({ cluster }) => {
    const { host, port } = cluster.address('plain')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const get = async () => {
      const request = httpRequest({ host, port, agent, timeout: 5_000 }).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      return (await response.setEncoding('utf8').toArray()).join('')
    }
    expect(await get()).toMatch(/^pod plain/)
    const bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
    const first = await get().catch((error: NodeJS.ErrnoException) => error.code)
    expect(['local', 'ECONNRESET']).toContain(first)
    expect(await get()).toBe('local')
    await bridge[Symbol.asyncDispose]()
    const next = await get().catch((error: NodeJS.ErrnoException) => error.code)
    expect(next).toMatch(/^pod plain|^ECONNRESET$/)
    expect(await get()).toMatch(/^pod plain/)
    agent.destroy()
  })

  test('every way to the pods leads here: ClusterIP, NodePort on each node, pod address, loopback of a sidecar, headless name', async ({
    cluster,
  }) => {
    const headless = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'shop-pods' },
      spec: { clusterIP: 'None', selector: { app: 'shop' }, ports: [{ port: 3000 }] },
    }
    await cluster.apply(headless)
    const [pod] = await podsOf(cluster, 'shop')
    const { nodePort } = (
      await kubeOf(cluster).then((kube) =>
        kube.request<{ spec: { ports: { nodePort: number }[] } }>('GET', '/api/v1/namespaces/default/services/shop'),
      )
    ).spec.ports[0]!
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: answer('local') } })
    expect(await fetchInCluster(cluster, `http://${pod!.status!.podIP}:3000/`)).toEqual(['local'])
    expect(await fetchInCluster(cluster, 'http://shop-pods:3000/', 4)).toEqual(Array(4).fill('local'))
    expect(await fetchInCluster(cluster, 'http://127.0.0.1:3000/', 2, { workload: 'deployment/shop', container: 'sidecar' })).toEqual([
      'local',
      'local',
    ])
    for (const node of ['server-0', 'agent-0']) {
      const address = await nodeAddress(cluster, node)
      for (let i = 0; i < 3; i++) expect(await (await fetch(`http://${address}:${nodePort}/`)).text()).toBe('local')
    }
  })

  test('several ports: each server has its own, and a port that is not bridged stays with the pods', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', { server: { http: answer('app'), 8081: answer('extra') } })
    expect(bridge.ports.toSorted((a, b) => a - b)).toEqual([3000, 8081])
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['app'])
    expect(await fetchInCluster(cluster, 'http://shop:8081/')).toEqual(['extra'])
    expect(await fetchInCluster(cluster, 'http://shop:9090/')).toEqual([expect.stringMatching(/^pod shop-.* 9090$/)])

    // A server alone is for the port named http, and leaves the others to others.
    await bridge[Symbol.asyncDispose]()
    await using alone = await cluster.bridge('deployment/shop', { server: answer('alone') })
    await using metrics = await cluster.bridge('deployment/shop', { server: { metrics: answer('metrics') } })
    expect([alone.ports, metrics.ports]).toEqual([[3000], [9090]])
    expect(await fetchInCluster(cluster, 'http://shop:9090/')).toEqual(['metrics'])
  })

  test('a server at a breakpoint neither restarts a pod nor takes it out of its Service', async ({ cluster }) => {
    const restarts = async () =>
      (await podsOf(cluster, 'shop')).map(({ status }) => status?.containerStatuses?.map(({ restartCount }) => restartCount))
    const before = await restarts()
    await using bridge = await cluster.bridge('deployment/shop', {
      server: { http: (request, response) => void (request.url === '/healthz' ? undefined : response.end('local')) },
    })
    // Longer than what the probes allow.
    await sleep(10_000)
    for (const pod of await podsOf(cluster, 'shop')) {
      expect(pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True')
    }
    expect(await restarts()).toEqual(before)
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['local'])
    expect(bridge.received.map(({ url }) => url)).not.toContain('/healthz')
  })

  test('probes go to the local side when asked', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', { server: { http: answer('fine') }, probes: 'local' })
    await bridge.expectLocal({ path: '/healthz' }, { timeout: 20_000 })
    expect(bridge.received.at(-1)?.headers['user-agent']).toMatch(/^kube-probe/)
  })

  test('StatefulSet, DaemonSet, ReplicaSet, Pod and Service are targets too', async ({ cluster }) => {
    await cluster.apply([...nodeApp('set', { kind: 'StatefulSet' }), ...nodeApp('daemon', { kind: 'DaemonSet' })])
    const [pod] = await podsOf(cluster, 'plain')
    const replicaSet = pod!.metadata!.ownerReferences![0]!.name
    for (const [workload, service] of [
      ['statefulset/set', 'set'],
      ['daemonset/daemon', 'daemon'],
      [`replicaset/${replicaSet}`, 'plain'],
      ['service/plain', 'plain'],
      [`pod/${pod!.metadata!.name}`, `${pod!.status!.podIP}:3000`],
    ]) {
      await using bridge = await cluster.bridge(workload!, { server: answer(workload!) })
      expect(await fetchInCluster(cluster, `http://${service}/`, 3)).toEqual(Array(3).fill(workload))
      expect(bridge.received).toHaveLength(3)
    }
  })

  test('a Job that serves is a target, also the pod that follows one that was deleted', async ({ cluster }) => {
    // A pod that ends well ends the Job.
    const script = `process.on('SIGTERM', () => process.exit(1)); require('node:http').createServer((q, r) => r.end('pod')).listen(3000)`
    const [{ spec }, service] = nodeApp('jobber', {}, script) as [
      { spec: { template: { metadata: object; spec: { containers: object[] } } } },
      KubeObject,
    ]
    const { metadata, spec: podSpec } = spec.template
    // Not by cluster.apply, which waits until a Job has ended. The image is the one that the suite has brought.
    const { image } = (await podsOf(cluster, 'plain'))[0]!.spec!.containers[0]!
    const containers = podSpec.containers.map((each) => ({ ...each, image }))
    await (
      await kubeOf(cluster)
    ).request('POST', '/apis/batch/v1/namespaces/default/jobs', {
      body: {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'jobber' },
        spec: { template: { metadata, spec: { ...podSpec, containers, restartPolicy: 'Never' } } },
      },
    })
    await cluster.apply(service)
    await kubectl(cluster, 'wait --for=condition=Ready pod -l app=jobber')
    const bridge = await cluster.bridge('job/jobber', { server: answer('local') })
    expect(await fetchInCluster(cluster, 'http://jobber/', 3)).toEqual(['local', 'local', 'local'])
    expect(await bridge.pods()).toHaveLength(1)
    const [before] = await podsOf(cluster, 'jobber')
    await kubectl(cluster, `delete pod ${before!.metadata!.name}`)
    await expect.poll(async () => (await bridge.pods()).filter((uid) => uid !== before!.metadata!.uid), { timeout: 60_000 }).toHaveLength(1)
    await expect.poll(() => fetchInCluster(cluster, 'http://jobber/').catch(String), { timeout: 20_000 }).toEqual(['local'])
    expect(await fetchInCluster(cluster, 'http://jobber/', 3)).toEqual(['local', 'local', 'local'])
    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://jobber/', 3)).toEqual(['pod', 'pod', 'pod'])
    await kubectl(cluster, 'delete job/jobber')
  })

  test('the same name in two namespaces does not mix', async ({ cluster }) => {
    const other = nodeApp('plain').map((object) => ({ ...object, metadata: { ...object.metadata, namespace: 'other' } }))
    await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } }, ...other])
    await using _bridge = await cluster.bridge('deployment/plain', { namespace: 'other', server: answer('other') })
    expect(await fetchInCluster(cluster, 'http://plain.other/', 3)).toEqual(['other', 'other', 'other'])
    expect(await fetchInCluster(cluster, 'http://plain/', 3)).toEqual(Array(3).fill(expect.stringMatching(/^pod plain/)))
  })

  test('a second bridge on the same port is refused, names the first, and leaves it alone', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/plain', { server: answer('first') })
    await expect(cluster.bridge('deployment/plain', { server: answer('second') })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_ALREADY_BRIDGED',
      message: expect.stringContaining(`bridge "${bridge.id}" has port 3000`),
    })
    expect(await fetchInCluster(cluster, 'http://plain/', 3)).toEqual(['first', 'first', 'first'])
  })

  test('the same pods by another name are refused too: Service, ReplicaSet, Pod, and Deployment, also when there are none', async ({
    cluster,
  }) => {
    const [pod] = await podsOf(cluster, 'plain')
    const names = [
      'deployment/plain',
      'service/plain',
      `replicaset/${pod!.metadata!.ownerReferences![0]!.name}`,
      `pod/${pod!.metadata!.name}`,
    ]
    for (const first of names) {
      await using bridge = await cluster.bridge(first, { server: answer(first) })
      for (const second of names)
        await expect(cluster.bridge(second, { server: answer('second') }), `${first}, then ${second}`).rejects.toMatchObject({
          code: 'ERR_BRIDGE_ALREADY_BRIDGED',
          message: expect.stringContaining(
            `Workload "${second}" is already bridged: bridge "${bridge.id}" has port 3000 of its pods, for "${first}" and every request.`,
          ),
        })
      expect(new Set(await fetchInCluster(cluster, `http://${pod!.status!.podIP}:3000/`, 3))).toEqual(new Set([first]))
    }
    // Another port of the same pods is free, by any name.
    await using _http = await cluster.bridge('deployment/shop', { server: { http: answer('http') } })
    await using _metrics = await cluster.bridge('service/shop', { containerName: 'app', server: { metrics: answer('metrics') } })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['http'])
    expect(await fetchInCluster(cluster, 'http://shop:9090/')).toEqual(['metrics'])

    await cluster.apply(nodeApp('nobody'))
    await using _service = await cluster.bridge('service/nobody', { server: answer('service') })
    await kubectl(cluster, 'scale --replicas=0 deploy/nobody')
    await kubectl(cluster, 'wait --for=delete pod -l app=nobody')
    await expect(cluster.bridge('deployment/nobody', { server: answer('second') })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_ALREADY_BRIDGED',
    })
  })

  test('what cannot be bridged is refused at once, with what there is', async ({ cluster }) => {
    await cluster.apply([
      ...nodeApp('on-node', { pod: { hostNetwork: true }, ports: [{ containerPort: 39_123 }] }, 'setInterval(() => {}, 1000)').slice(0, 1),
      nodeApp('portless', { ports: [] }, 'setInterval(() => {}, 1000)')[0]!,
    ])
    const server = answer('never')
    await expect(cluster.bridge('deployment/shopp', { server })).rejects.toThrow(/There is no Deployment "shopp".*\n.*"deployment\/shop"/)
    await expect(cluster.bridge('service/none', { server })).rejects.toThrow(/There is no Service "none".*\n.*"service\/shop"/)
    await expect(cluster.bridge('deployment/shop', { server, containerName: 'nginx' })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_CONTAINER_NOT_FOUND',
      hint: 'It has "app" and "sidecar".',
    })
    await expect(cluster.bridge('deployment/shop', { server: { grpc: server } })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_PORT_NOT_FOUND',
      hint: expect.stringContaining('"http (3000)", "metrics (9090)" and "extra (8081)"'),
    })
    await expect(cluster.bridge('deployment/portless', { server })).rejects.toMatchObject({ code: 'ERR_BRIDGE_NO_PORTS' })
    await expect(cluster.bridge('deployment/on-node', { server })).rejects.toMatchObject({ code: 'ERR_BRIDGE_HOST_NETWORK' })
    await expect(cluster.bridge('deployment/shop', { server, image: 'node:24-slim' } as never)).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
    })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([expect.stringMatching(/^pod shop/)])
  })

  test('expectLocal finds the request among those that came, and says what came instead', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/plain', { server: createServer((_, response) => void response.end('ok')) })
    const waiting = bridge.expectLocal({ method: 'POST', path: '/orders', headers: { 'x-tenant': /^b/ } }, { timeout: 10_000 })
    await runInCluster(cluster, `await fetch('http://plain/orders?page=2', { method: 'POST', headers: { 'x-tenant': 'blue' } })`)
    expect(await waiting).toMatchObject({ method: 'POST', url: '/orders?page=2' })
    await expect(bridge.expectLocal({ method: 'GET', path: '/absent' }, { timeout: 50 })).rejects.toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: The bridge of "deployment/plain" received no request for GET /absent within 50 ms. It received 1, the last ones:
        POST /orders?page=2]
    `)
  })
})

/** GET on a connection of its own. */
async function get(url: string): Promise<string> {
  const request = httpRequest(url, { agent: false, timeout: 10_000 }).end()
  request.once('timeout', () => request.destroy(new Error('no answer within 10 s')))
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return (await response.setEncoding('utf8').toArray()).join('')
}
