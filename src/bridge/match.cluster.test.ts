import { once } from 'node:events'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import http2 from 'node:http2'
import { connect } from 'node:net'

import { expect } from 'vitest'

import { describe } from '../suite/describe.ts'
import { client, fetchInCluster, runInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { kubectl, podsOf } from '../testing/nodes.ts'
import { takeSettledStock, takeStock } from '../testing/take-stock.ts'
import type { LocalServer } from './options.ts'

/** Speaks HTTP, HTTP/2, and a protocol in which the server speaks first. */
const shop = nodeApp(
  'shop',
  {
    replicas: 2,
    ports: [
      { name: 'http', containerPort: 3000 },
      { name: 'grpc', containerPort: 3001 },
      { name: 'mail', containerPort: 3002 },
      { name: 'dns', containerPort: 5353, protocol: 'UDP' },
    ],
    container: {
      lifecycle: { preStop: { sleep: { seconds: 6 } } },
      readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1 },
    },
    pod: { terminationGracePeriodSeconds: 15 },
    service: {
      ports: [
        { name: 'http', port: 80, targetPort: 'http' },
        { name: 'grpc', port: 3001 },
        { name: 'mail', port: 3002 },
      ],
    },
  },
  `const me = 'pod ' + require('node:os').hostname()
  process.on('SIGTERM', () => process.exit(0))
  const http = require('node:http').createServer((q, r) => r.end(me + ' ' + q.method + ' ' + q.url)).listen(3000)
  http.on('upgrade', (q, socket) => { socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n' + me); socket.pipe(socket) })
  require('node:http2').createServer().on('stream', (s) => { s.respond({ ':status': 200 }); s.end(me) }).listen(3001)
  require('node:net').createServer((socket) => { socket.on('error', () => {}); socket.write('220 ' + me); socket.pipe(socket) }).listen(3002)`,
)

const answer =
  (text: string): LocalServer =>
  (request, response) =>
    void response.end(`${text} ${request.method} ${request.url}`)

const ann = { headers: { 'x-user': 'ann' } } as const
const bob = { headers: { 'x-user': 'bob' } } as const

describe.withCluster('match', { images: ['node:24-slim'], agents: 1, manifests: [client, ...shop] }, (test) => {
  test('requests that fit go local, all others to the pods, also on one connection; afterwards nothing is left', async ({ cluster }) => {
    const before = await takeSettledStock(cluster)
    const bridge = await cluster.bridge('deployment/shop', {
      server: { http: answer('local') },
      match: [ann, { path: '/cart*', method: 'PUT' }],
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ask = (path: string, headers = {}, method = 'GET') => get(cluster.url('shop', 'http') + path, { agent, headers, method })
    expect(await ask('/')).toMatch(/^pod shop-.* GET \/$/)
    expect(await ask('/', ann.headers)).toBe('local GET /')
    expect(await ask('/cart/1', {}, 'PUT')).toBe('local PUT /cart/1')
    expect(await ask('/cart/1', bob.headers, 'DELETE')).toMatch(/^pod shop-.* DELETE \/cart\/1$/)
    expect(bridge.received.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /', 'PUT /cart/1'])
    expect((await takeStock(cluster)).objects).toEqual(before.objects)
    await bridge[Symbol.asyncDispose]()
    const after = () => ask('/', ann.headers).catch((error: NodeJS.ErrnoException) => error.code)
    // The connection that was read is closed; the next one leads to a pod.
    if ((await after()) === 'ECONNRESET') expect(await after()).toMatch(/^pod shop-/)
    expect(await fetchInCluster(cluster, 'http://shop/', 4)).toEqual(Array(4).fill(expect.stringMatching(/^pod shop-/)))
    agent.destroy()
    expect(await takeStock(cluster)).toEqual(before)
  })

  test('what does not fit reaches the very pod that it was sent to', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: answer('local') }, match: ann })
    const pods = await podsOf(cluster, 'shop')
    for (const { metadata, status } of pods)
      expect(await fetchInCluster(cluster, `http://${status!.podIP}:3000/`, 3)).toEqual(Array(3).fill(`pod ${metadata!.name} GET /`))
    const first = pods[0]!.metadata!.name
    const inPod = `return await (await fetch('http://127.0.0.1:3000/own', { headers: { connection: 'close' } })).text()`
    expect(await runInCluster(cluster, inPod, `pod/${first}`)).toBe(`pod ${first} GET /own`)
  })

  test('two bridges share a port by disjoint rules; one that overlaps is refused and names the holder; one that ends leaves the other', async ({
    cluster,
  }) => {
    const url = cluster.url('shop', 'http')
    const first = await cluster.bridge('deployment/shop', { server: { http: answer('for ann') }, match: ann })
    await using second = await cluster.bridge('deployment/shop', { server: { http: answer('for bob') }, match: bob })
    expect(await get(url, { headers: ann.headers })).toBe('for ann GET /')
    expect(await get(url, { headers: bob.headers })).toBe('for bob GET /')
    for (const match of [undefined, { headers: { 'x-user': 'ann', 'x-team': 'a' } }, { path: '/a' }])
      await expect(cluster.bridge('deployment/shop', { server: { http: answer('third') }, match })).rejects.toMatchObject({
        code: 'ERR_BRIDGE_ALREADY_BRIDGED',
        message: expect.stringContaining(
          `bridge "${first.id}" has port 3000 of its pods, for "deployment/shop" and any method any path with x-user: ann`,
        ),
      })
    expect(await get(url, { headers: ann.headers })).toBe('for ann GET /')
    await first[Symbol.asyncDispose]()
    expect(await get(url, { headers: ann.headers })).toMatch(/^pod shop-/)
    expect(await get(url, { headers: bob.headers })).toBe('for bob GET /')
    expect(second.received).toHaveLength(2)
  })

  test('a bridge that takes everything is refused beside one that takes some, and the other way round', async ({ cluster }) => {
    await using _all = await cluster.bridge('deployment/shop', { server: { http: answer('all') } })
    await expect(cluster.bridge('deployment/shop', { server: { http: answer('some') }, match: ann })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_ALREADY_BRIDGED',
      hint: expect.stringContaining('give both a `match`'),
    })
  })

  test('a websocket goes where its upgrade goes; HTTP/2 is decided stream by stream; what is no HTTP passes unchanged', async ({
    cluster,
  }) => {
    const local = http2.createServer().on('stream', (stream) => {
      stream.respond({ ':status': 200 })
      stream.end('local')
    })
    await using _bridge = await cluster.bridge('deployment/shop', {
      server: { http: answer('local'), grpc: local, mail: answer('local') },
      match: ann,
    })
    const { host, port } = cluster.address('shop', 'http')
    const socket = connect({ host, port }).setEncoding('utf8')
    socket.write('GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    expect(String((await once(socket, 'data'))[0])).toMatch(/101 Switching[^]*pod shop-/)
    socket.write('GET / HTTP/1.1\r\nX-User: ann\r\n\r\n')
    expect((await once(socket, 'data'))[0]).toBe('GET / HTTP/1.1\r\nX-User: ann\r\n\r\n')
    socket.destroy()

    const session = http2.connect(cluster.url('shop', 'grpc'))
    const ask = async (headers: object) =>
      Buffer.concat(
        await session
          .request({ ':path': '/', ...headers })
          .end()
          .toArray(),
      ).toString()
    expect(await Promise.all([ask(ann.headers), ask({}), ask(ann.headers)])).toEqual([
      'local',
      expect.stringMatching(/^pod shop-/),
      'local',
    ])
    session.close()

    const mail = connect(cluster.address('shop', 'mail')).setEncoding('utf8')
    expect((await once(mail, 'data'))[0]).toMatch(/^220 pod shop-/)
    mail.write('EHLO me')
    expect((await once(mail, 'data'))[0]).toBe('EHLO me')
    mail.destroy()
  })

  test('mirrors get copies while the pods answer, and while a bridge answers, whichever came first; none after they end', async ({
    cluster,
  }) => {
    const url = cluster.url('shop', 'http')
    const first = await cluster.bridge('deployment/shop', { server: { http: answer('ignored') }, mirror: true })
    expect(await get(url, { method: 'POST' }, 'body')).toMatch(/^pod shop-.* POST \/$/)
    await first.expectLocal({ method: 'POST', path: '/' })
    const bridge = await cluster.bridge('deployment/shop', { server: { http: answer('local') } })
    const second = await cluster.bridge('deployment/shop', { server: { http: answer('ignored') }, mirror: true, match: { path: '/some' } })
    expect(await get(`${url}/some`)).toBe('local GET /some')
    expect(await get(`${url}/other`)).toBe('local GET /other')
    await second.expectLocal({ path: '/some' })
    await first.expectLocal({ path: '/other' })
    expect(second.received).toHaveLength(1)
    await first[Symbol.asyncDispose]()
    await second[Symbol.asyncDispose]()
    expect(await get(`${url}/late`)).toBe('local GET /late')

    await using third = await cluster.bridge('deployment/shop', { server: { http: answer('ignored') }, mirror: true })
    expect(await get(`${url}/again`)).toBe('local GET /again')
    await third.expectLocal({ path: '/again' })
    await bridge[Symbol.asyncDispose]()
    expect(await get(`${url}/pod`)).toMatch(/^pod shop-/)
    await third.expectLocal({ path: '/pod' })
    expect([first, second].flatMap(({ received }) => received.map(({ url: path }) => path))).not.toContain('/late')
  })

  test('local containers and host processes take what fits as well', async ({ cluster }) => {
    const script = (text: string) => `require('node:http').createServer((q, r) => r.end('${text}')).listen(process.env.PORT)`
    await using _container = await cluster.bridge('deployment/shop', {
      image: 'node:24-slim',
      command: ['node', '-e', script('container')],
      env: { set: { PORT: '3000' } },
      ports: { http: 3000 },
      match: ann,
    })
    await using _process = await cluster.bridge('deployment/shop', {
      command: ['node', '-e', script('process')],
      env: { set: { PORT: '23170' } },
      ports: { http: 23_170 },
      match: bob,
    })
    const url = cluster.url('shop', 'http')
    expect(await get(url, { headers: ann.headers })).toBe('container')
    expect(await get(url, { headers: bob.headers })).toBe('process')
    expect(await get(url)).toMatch(/^pod shop-/)
  })

  test('a rollout under traffic: what fits goes local, what does not to the pods, and nothing fails', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: answer('local') }, match: ann })
    const seen = new Set<string>()
    let requests = 0
    let isOver = false
    const ask = async (headers: Record<string, string>) => {
      while (!isOver) {
        const text = await get(cluster.url('shop', 'http'), { headers, agent: false }).catch(String)
        seen.add(`${headers['x-user'] ?? 'nobody'}: ${text.split(/[ -]/)[0]}`)
        requests++
      }
    }
    const asking = [ask(ann.headers), ask({})]
    await kubectl(cluster, 'rollout restart deploy/shop')
    await kubectl(cluster, 'rollout status deploy/shop')
    // A busy machine takes longer for as many.
    await expect.poll(() => requests, { timeout: 30_000 }).toBeGreaterThan(50)
    isOver = true
    await Promise.all(asking)
    expect([...seen].toSorted((a, b) => a.localeCompare(b))).toEqual(['ann: local', 'nobody: pod'])
  })

  test('250 bridges at the same time, each for a header of its own, answer ten requests each', async ({ cluster }) => {
    await using stack = new AsyncDisposableStack()
    const ids = Array.from({ length: 250 }, (_, index) => `user-${index}`)
    await Promise.all(
      ids.map(async (id) =>
        stack.use(await cluster.bridge('deployment/shop', { server: { http: answer(id) }, match: { headers: { 'x-user': id } } })),
      ),
    )
    const url = cluster.url('shop', 'http')
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    for (let round = 0; round < 10; round++)
      expect(await Promise.all(ids.map((id) => get(url, { agent, headers: { 'x-user': id } })))).toEqual(ids.map((id) => `${id} GET /`))
    expect(await get(url, { agent })).toMatch(/^pod shop-/)
    agent.destroy()
  }, 300_000)

  test('what cannot be matched is refused at once', async ({ cluster }) => {
    const server = { http: answer('never') }
    await expect(cluster.bridge('deployment/shop', { server, match: { path: 'cart' } })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ClusterTestError: Expected option \`match.path\` of a bridge to be a path that starts with "/", or a RegExp, got "cart".]`,
    )
    await expect(cluster.bridge('deployment/shop', { image: 'node:24-slim', ports: { dns: 5353 }, match: ann })).rejects
      .toThrowErrorMatchingInlineSnapshot(`
      [ClusterTestError: Port 5353 of "deployment/shop" is UDP, but a bridge with \`match\` or \`mirror\` supports only TCP.
      Hint: Use a separate bridge for it.]
    `)
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([expect.stringMatching(/^pod shop-/)])
  })
})

/** On a connection of its own, unless an agent says otherwise. */
async function get(url: string, options: import('node:http').RequestOptions = {}, body = ''): Promise<string> {
  const request = httpRequest(url, { timeout: 10_000, agent: false, ...options })
  request.once('timeout', () => request.destroy(new Error('no answer within 10 s')))
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return (await response.setEncoding('utf8').toArray()).join('')
}
