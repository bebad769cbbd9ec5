import { once } from 'node:events'
import { Agent, type IncomingMessage, type ServerResponse, request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect } from 'vitest'

import type { TestCluster } from '../client/test-cluster.ts'
import { describe } from '../suite/describe.ts'
import { callInCluster, client, fetchInCluster, runInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { isReady, podsOf, runOnNode } from '../testing/nodes.ts'
import { takeSettledStock } from '../testing/take-stock.ts'

/** Speaks HTTP, HTTP/2, a protocol in which the server speaks first, and UDP. */
const stock = nodeApp(
  'stock',
  {
    replicas: 2,
    ports: [
      { name: 'http', containerPort: 3000 },
      { name: 'grpc', containerPort: 3001 },
      { name: 'mail', containerPort: 3002 },
      { name: 'echo', containerPort: 3003, protocol: 'UDP' },
    ],
    container: {
      readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, timeoutSeconds: 1 },
    },
    service: {
      ports: [
        { name: 'http', port: 80, targetPort: 'http' },
        { name: 'grpc', port: 3001 },
        { name: 'mail', port: 3002 },
        { name: 'echo', port: 3003, protocol: 'UDP' },
      ],
    },
  },
  `process.on('SIGTERM', () => process.exit(0))
  require('node:http').createServer({ keepAliveTimeout: 600_000 }, (q, r) => r.end('x'.repeat(1000))).listen(3000)
  require('node:http2').createServer().on('stream', (s) => { s.respond({ ':status': 200 }); s.end('grpc') }).listen(3001)
  require('node:net').createServer((socket) => { socket.on('error', () => {}); socket.end('220 ready') }).listen(3002)
  const echo = require('node:dgram').createSocket('udp4').on('message', (m, from) => echo.send(m, from.port, from.address)).bind(3003)`,
)

/** Asks the stock for each request, `/kept` always on one connection; `/met` is how often it has reached it since it began. */
const shopScript = `process.on('SIGTERM', () => process.exit(0))
  const http = require('node:http')
  let met = 0
  const meet = setInterval(() => require('node:net').connect(80, 'stock').on('connect', function () { met++; this.destroy() }).on('error', () => {}), 20)
  setTimeout(() => clearInterval(meet), 5_000)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (path) => fetch('http://stock' + path, { signal: AbortSignal.timeout(5_000) }).then(async (a) => 'stock: ' + a.status + ' ' + (await a.text()).length)
  const keep = () => new Promise((resolve, reject) => http.get('http://stock/', { agent }, (a) => {
    const { localPort } = a.socket
    a.resume().on('end', () => resolve('from port ' + localPort))
  }).on('error', reject))
  http.createServer(async (q, r) => {
    try {
      r.end(q.url === '/healthz' ? 'ok' : q.url === '/met' ? String(met) : q.url === '/kept' ? await keep() : await ask(q.url))
    } catch (error) { r.statusCode = 502; r.end(error.name === 'TimeoutError' ? 'too slow' : 'broken') }
  }).listen(3000)`
const shop = nodeApp(
  'shop',
  { replicas: 1, ports: [{ name: 'http', containerPort: 3000 }], service: { ports: [{ name: 'http', port: 80, targetPort: 'http' }] } },
  shopScript,
)

/** Another way to the stock: by the addresses of its pods. */
const stockPods = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'stock-pods' },
  spec: { clusterIP: 'None', selector: { app: 'stock' }, ports: [{ name: 'http', port: 3000 }] },
}

const workload = 'deployment/stock'

describe.withCluster('neighbours', { images: ['node:24-slim'], manifests: [client, ...stock, ...shop, stockPods] }, (test) => {
  test('a slow, failing, half-answering or silent neighbour, for pods and for this machine; afterwards nothing is left', async ({
    cluster,
    request,
  }) => {
    const before = await takeSettledStock(cluster)
    const seen = async () => (await request('shop').get('/stock/A-1')).text
    for (const [options, expected] of [
      [{ delay: 20_000 }, 'too slow'],
      [{ status: 503 }, 'stock: 503 0'],
      [{ hang: true }, 'too slow'],
      [{ reset: true }, 'broken'],
      [{ reset: { after: 10 } }, 'broken'],
      [{ bandwidth: 50 }, 'too slow'],
      [{ bandwidth: 100_000, delay: 10 }, 'stock: 200 1000'],
    ] as const) {
      await using disturbed = await cluster.disturb(workload, options)
      expect(disturbed).toMatchObject({ workload, ports: [3000, 3001, 3002] })
      expect(await seen(), JSON.stringify(options)).toBe(expected)
    }
    expect(await seen()).toBe('stock: 200 1000')
    await using refusing = await cluster.disturb(workload, { status: 418 })
    await request('stock').get('/').expect(418)
    await refusing[Symbol.asyncDispose]()
    await request('stock').get('/').expect(200)
    expect(await takeSettledStock(cluster)).toEqual(before)
  })

  test('only requests that match, also on one connection', async ({ cluster, request }) => {
    await using writes = await cluster.disturb(workload, { match: { method: 'POST', path: '/orders*' }, delay: 10, bandwidth: 10_000 })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const took = async (method: string, path: string) => {
      const before = performance.now()
      const sent = httpRequest(`${cluster.url('stock', 'http')}${path}`, { agent, method }).end()
      const [answer] = (await once(sent, 'response')) as [IncomingMessage]
      expect(await text(answer)).toHaveLength(1_000)
      expect(sent.reusedSocket).toBe(path !== '/first')
      return performance.now() - before
    }
    await took('GET', '/first')
    expect(await took('POST', '/orders/1')).toBeGreaterThan(100)
    await took('GET', '/orders/1')
    await took('POST', '/stock')
    agent.destroy()
    await writes[Symbol.asyncDispose]()
    await request('stock', 'http').post('/orders/1').expect(200)
  })

  test('kubelet is not disturbed: pods stay ready while nobody else gets an answer', async ({ cluster }) => {
    const ready = async () =>
      (await podsOf(cluster, 'stock')).map(({ status }) =>
        status?.containerStatuses?.map(({ ready, restartCount }) => [ready, restartCount]),
      )
    const before = await ready()
    await using _silent = await cluster.disturb(workload, { hang: true })
    await sleep(8_000)
    expect(before).toHaveLength(2)
    expect(await ready()).toEqual(before)
  })

  test('what a bridge answers is disturbed too, whichever came first', async ({ cluster, request }) => {
    const server = (_: unknown, response: ServerResponse) => void response.end('local')
    const status = async () => (await request('stock', 'http').get('/')).status
    {
      await using _bridge = await cluster.bridge(workload, { server: { http: server } })
      await using _disturbed = await cluster.disturb(workload, { status: 503 })
      expect(await status()).toBe(503)
    }
    await using disturbed = await cluster.disturb(workload, { status: 503 })
    await using bridge = await cluster.bridge(workload, { server: { http: server } })
    expect(await status()).toBe(503)
    await disturbed[Symbol.asyncDispose]()
    expect((await request('stock', 'http').get('/')).text).toBe('local')
    await bridge[Symbol.asyncDispose]()
    expect((await request('stock', 'http').get('/')).text).toHaveLength(1_000)
  })

  test('one port only, HTTP/2, and a protocol in which the server speaks first', async ({ cluster }) => {
    const grpc = () =>
      runInCluster<string>(
        cluster,
        `const session = require('node:http2').connect('http://stock:3001')
        const stream = session.request({ ':path': '/' })
        const status = await new Promise((resolve) => stream.on('response', (h) => resolve(String(h[':status']))).on('error', (e) => resolve(e.code)))
        session.destroy()
        return status`.replace("require('node:http2')", "(await import('node:http2'))"),
      )
    const mail = () =>
      runInCluster<string>(
        cluster,
        `const net = await import('node:net')
        return new Promise((resolve) => { let text = ''; net.connect(3002, 'stock').on('data', (c) => (text += c)).on('end', () => resolve(text)).on('error', (e) => resolve(text + e.code)) })`,
      )
    {
      await using _disturbed = await cluster.disturb(workload, { ports: ['grpc', 3002], reset: true })
      expect([await grpc(), await mail()]).toEqual(['ERR_HTTP2_STREAM_ERROR', 'ECONNRESET'])
      expect((await fetchInCluster(cluster, 'http://stock/'))[0]).toHaveLength(1_000)
    }
    await using _half = await cluster.disturb(workload, { ports: ['mail'], reset: { after: 3 } })
    expect([await grpc(), await mail()]).toEqual(['200', '220ECONNRESET'])
  })

  test('options that cannot be meant are refused before anything changes', async ({ cluster }) => {
    for (const [options, message] of [
      [{}, 'Nothing is to disturb'],
      [{ delay: -1 }, 'Expected option `disturb.delay` to be milliseconds'],
      [{ delay: 2 ** 31 }, 'Expected option `disturb.delay` to be milliseconds'],
      [{ hang: true, ports: [] }, 'Expected option `disturb.ports`'],
      [{ status: 99 }, 'Expected option `disturb.status`'],
      [{ bandwidth: 0 }, 'Expected option `disturb.bandwidth`'],
      [{ reset: { after: 0.5 } }, 'Expected option `disturb.reset`'],
      [{ status: 500, hang: true }, 'cannot have both `status` and `hang`'],
      [Object.fromEntries([['latency', 1]]), 'has no key "latency"'],
    ] as const)
      await expect(cluster.disturb(workload, options)).rejects.toMatchObject({
        code: 'ERR_OPTIONS_INVALID',
        message: expect.stringContaining(message),
      })
    await expect(cluster.disturb(workload, { namespace: 'kube-system', hang: true })).rejects.toMatchObject({ code: 'ERR_KUBE_NOT_FOUND' })
    await expect(cluster.disturb(workload, { hang: true, ports: ['ftp'] })).rejects.toMatchObject({ code: 'ERR_BRIDGE_PORT_NOT_FOUND' })
  })

  test('a workload that is restarted or scaled answers at once when it is back, and not before', async ({ cluster, request }) => {
    const uids = async () => (await podsOf(cluster, 'stock')).map(({ metadata }) => metadata!.uid!)
    const before = await uids()
    await cluster.restart(workload)
    await request('stock').get('/').expect(200)
    expect((await uids()).filter((uid) => before.includes(uid))).toEqual([])
    {
      await using _down = await cluster.scale(workload, 0)
      expect(await uids()).toEqual([])
      await request('shop').get('/').expect(502, 'broken')
      // As k3s' controller of network policies does now and then.
      await runOnNode(cluster, 'server-0', ['iptables', '-F', 'KUBE-SERVICES'])
      await request('shop').get('/').expect(502, 'too slow')
      await cluster.scale(workload, 0)
      await request('shop').get('/').expect(502, 'broken')
    }
    for (let count = 0; count < 5; count++) await request('shop').get('/').expect(200, 'stock: 200 1000')
    expect(await uids()).toHaveLength(2)
    await expect(cluster.scale(workload, 1.5)).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID' })
    await expect(cluster.restart('deployment/other')).rejects.toMatchObject({ code: 'ERR_KUBE_NOT_FOUND' })
    await expect(cluster.restart(workload, { timeout: 1 })).rejects.toMatchObject({ code: 'ERR_WORKLOAD_NOT_READY' })
  })

  test('Services that others are behind too, and ones without a cluster IP', async ({ cluster, request }) => {
    const service = (name: string, more: object) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { selector: { tier: 'back' }, ports: [{ name: 'http', port: 80, targetPort: 3000 }], ...more },
    })
    const workload = (name: string) => nodeApp(name, { service: { ports: [{ port: 80, targetPort: 3000 }] } })
    const labelled = [...workload('one'), ...workload('two')].map((object) =>
      JSON.parse(JSON.stringify(object).replaceAll(/"labels":{"app":"(\w+)"}/g, '"labels":{"app":"$1","tier":"back"}')),
    )
    await cluster.apply([...labelled, service('both', {}), service('headless', { clusterIP: 'None', selector: { app: 'one' } })])
    await cluster.restart('deployment/one')
    await request('headless')
      .get('/')
      .expect(200, /^pod one-/)
    await using _down = await cluster.scale('deployment/one', 0)
    for (let count = 0; count < 5; count++)
      await request('both')
        .get('/')
        .expect(200, /^pod two-/)
  })

  test('a cut: nothing goes between two workloads, either way and by any path, and all others reach both', async ({ cluster, request }) => {
    const before = await takeSettledStock(cluster)
    const [one, two] = (await podsOf(cluster, 'stock')).map(({ status }) => status!.podIP!)
    const [own] = (await podsOf(cluster, 'shop')).map(({ status }) => status!.podIP!)
    const toStock = [
      'http://stock',
      'http://stock-pods:3000',
      `http://${one}:3000`,
      `http://${two}:3000`,
      'udp://stock:3003',
      `udp://${one}:3003`,
    ]
    const all = async (patience?: number) => ({
      there: await callInCluster(cluster, 'deployment/shop', toStock, patience),
      back: await callInCluster(cluster, workload, ['http://shop/healthz', `http://${own}:3000/healthz`], patience),
      ping: [await ping(cluster, own!, one!), await ping(cluster, two!, own!)],
    })
    const open = { there: toStock.map(() => 'answered'), back: ['answered', 'answered'], ping: ['answered', 'answered'] }
    expect(await all()).toEqual(open)
    const cut = await cluster.cut('deployment/shop', workload)
    expect(cut.workloads).toEqual(['deployment/shop', workload])
    expect(await all(1_500)).toEqual(JSON.parse(JSON.stringify(open).replaceAll('answered', 'silent')))
    expect(await callInCluster(cluster, 'deployment/client', [...toStock, 'http://shop/healthz'])).toEqual(Array(7).fill('answered'))
    await request('stock', 'http').get('/').expect(200)
    await request('shop').get('/healthz').expect(200)
    await request('shop').get('/').expect(502, 'too slow')
    expect((await podsOf(cluster, 'stock')).every(isReady)).toBe(true)
    await cut[Symbol.asyncDispose]()
    expect(await all()).toEqual(open)
    expect(await takeSettledStock(cluster)).toEqual(before)
  })

  test('what is open when a cut comes waits, and goes on after it', async ({ cluster, request }) => {
    const kept = async () => (await request('shop').get('/kept').expect(200)).text
    const before = await kept()
    await using cut = await cluster.cut('deployment/shop', workload)
    const waiting = kept()
    expect(await Promise.race([waiting, sleep(2_000, 'nothing')])).toBe('nothing')
    await cut[Symbol.asyncDispose]()
    expect(await waiting).toBe(before)
  })

  test('pods that come while a cut lasts are cut off before they are ready', async ({ cluster, request }) => {
    {
      await using _down = await cluster.scale('deployment/shop', 0)
      await using _cut = await cluster.cut(workload, 'deployment/shop')
      await Promise.all([cluster.scale('deployment/shop', 3), cluster.restart(workload)])
      expect(await callInCluster(cluster, 'deployment/shop', ['http://stock', 'http://stock-pods:3000'], 1_500)).toEqual([
        'silent',
        'silent',
      ])
      const met = (await podsOf(cluster, 'shop')).map(({ status }) => `http://${status!.podIP}:3000/met`)
      expect(
        await runInCluster(cluster, `return Promise.all(${JSON.stringify(met)}.map((url) => fetch(url).then((a) => a.text())))`),
      ).toEqual(['0', '0', '0'])
    }
    await request('shop').get('/').expect(200, 'stock: 200 1000')
    await cluster.restart('deployment/shop')
    await expect.poll(async () => Number((await request('shop').get('/met')).text)).toBeGreaterThan(0)
  })

  test('code in place of either workload is cut off too, whichever came first, and so is what is disturbed', async ({
    cluster,
    request,
  }) => {
    const server = (_: unknown, response: ServerResponse) => void response.end('local')
    const fromShop = () => callInCluster(cluster, 'deployment/shop', ['http://stock', 'http://stock-pods:3000'], 1_500)
    {
      await using _bridge = await cluster.bridge(workload, { server: { http: server } })
      await using cut = await cluster.cut('deployment/shop', workload)
      expect(await fromShop()).toEqual(['silent', 'silent'])
      expect((await request('stock', 'http').get('/')).text).toBe('local')
      await cut[Symbol.asyncDispose]()
      expect(await fromShop()).toEqual(['answered', 'answered'])
    }
    await using cut = await cluster.cut('deployment/shop', workload)
    await using disturbed = await cluster.disturb(workload, { status: 418 })
    expect(await fromShop()).toEqual(['silent', 'silent'])
    await request('stock', 'http').get('/').expect(418)
    await disturbed[Symbol.asyncDispose]()
    expect(await fromShop()).toEqual(['silent', 'silent'])
    await using bridge = await cluster.bridge('deployment/shop', { server })
    expect(await callInCluster(cluster, workload, ['http://shop'], 1_500)).toEqual(['silent'])
    expect((await request('shop').get('/')).text).toBe('local')
    expect(await bridge.problems()).toEqual([
      expect.stringContaining('What the code on this machine sends to "deployment/stock" is not cut off'),
    ])
    await cut[Symbol.asyncDispose]()
    expect(await callInCluster(cluster, workload, ['http://shop'])).toEqual(['answered'])
  })

  test('a local container in place of a workload is cut off from the other, whichever came first', async ({ cluster, request }) => {
    const local = { image: 'node:24-slim', command: ['node', '-e', shopScript] }
    {
      await using _bridge = await cluster.bridge('deployment/shop', local)
      await request('shop').get('/').expect(200, 'stock: 200 1000')
      await using cut = await cluster.cut('deployment/shop', workload)
      await request('shop').get('/').expect(502, 'too slow')
      await cut[Symbol.asyncDispose]()
      await request('shop').get('/').expect(200, 'stock: 200 1000')
    }
    await using cut = await cluster.cut('deployment/shop', workload)
    await using bridge = await cluster.bridge('deployment/shop', local)
    await request('shop').get('/').expect(502, 'too slow')
    await request('shop').get('/met').expect(200, '0')
    await cut[Symbol.asyncDispose]()
    await request('shop').get('/').expect(200, 'stock: 200 1000')
    await bridge[Symbol.asyncDispose]()
  })

  test('cuts that share workloads hold until the last of them ends, in any order', async ({ cluster }) => {
    const before = await takeSettledStock(cluster)
    const seen = async () => [
      ...(await callInCluster(cluster, 'deployment/shop', ['http://stock'], 1_500)),
      ...(await callInCluster(cluster, 'deployment/client', ['http://stock', 'http://shop/healthz'], 1_500)),
    ]
    const [first, second, third] = await Promise.all([
      cluster.cut('deployment/shop', workload),
      cluster.cut('service/stock', 'deployment/shop'),
      cluster.cut('deployment/client', 'service/stock-pods'),
    ])
    expect(await seen()).toEqual(['silent', 'silent', 'answered'])
    await first[Symbol.asyncDispose]()
    expect(await seen()).toEqual(['silent', 'silent', 'answered'])
    await second[Symbol.asyncDispose]()
    expect(await seen()).toEqual(['answered', 'silent', 'answered'])
    await Promise.all([third[Symbol.asyncDispose](), third[Symbol.asyncDispose]()])
    expect(await seen()).toEqual(['answered', 'answered', 'answered'])
    expect(await takeSettledStock(cluster)).toEqual(before)
  })

  test('a cut that cannot be meant is refused before anything changes', async ({ cluster }) => {
    for (const [one, other, code, message] of [
      [
        'deployment/stock',
        'deployment/stock',
        'ERR_OPTIONS_INVALID',
        '"deployment/stock" and "deployment/stock" are the same pods, or share some.',
      ],
      ['deployment/stock', 'service/stock-pods', 'ERR_OPTIONS_INVALID', 'are the same pods, or share some.'],
      ['deployment/stock', 'deploiment/shop', 'ERR_OPTIONS_INVALID', 'Expected a workload as "kind/name", got "deploiment/shop".'],
      ['shop', 'deployment/stock', 'ERR_OPTIONS_INVALID', 'Expected a workload as "kind/name", got "shop".'],
      ['deployment/stocks', 'deployment/shop', 'ERR_KUBE_NOT_FOUND', 'There is no Deployment "stocks" in namespace "default".'],
    ] as const)
      await expect(cluster.cut(one, other)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    const elsewhere = cluster.cut('deployment/shop', workload, { namespace: 'kube-system' })
    await expect(elsewhere).rejects.toMatchObject({ code: 'ERR_KUBE_NOT_FOUND' })
    const misspelt = cluster.cut('deployment/shop', workload, Object.fromEntries([['reject', true]]))
    await expect(misspelt).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID' })
    await cluster.apply(
      nodeApp('on-node', { pod: { hostNetwork: true }, ports: [{ containerPort: 39_123 }] }, 'setInterval(() => {}, 1000)')[0]!,
    )
    await expect(cluster.cut('deployment/on-node', workload)).rejects.toMatchObject({ code: 'ERR_BRIDGE_HOST_NETWORK' })
  })
})

/** From a pod, of which only the node has the program. */
async function ping(cluster: TestCluster, from: string, to: string): Promise<string> {
  const script = `for ns in /var/run/netns/*; do
    nsenter --net=$ns ip address | grep -q 'inet ${from}/' || continue
    nsenter --net=$ns ping -c 1 -W 2 ${to} >/dev/null && echo answered || echo silent
  done`
  return (await runOnNode(cluster, 'server-0', ['sh', '-c', script])).trim()
}
