import { once } from 'node:events'
import { createServer } from 'node:http'
import { type Socket, createServer as createTcpServer } from 'node:net'

import { expect } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'

import type { TestCluster } from '../client/test-cluster.ts'
import { describe } from '../suite/describe.ts'
import { bigHash, bigServerScript, download, measurePeaks, upload } from '../testing/big-transfer.ts'
import { grpcEchoClient, grpcEchoServer } from '../testing/grpc-echo.ts'
import { client, fetchInCluster, runInCluster, runInLocal } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { podsOf } from '../testing/nodes.ts'
import { buildGoEcho, hasGo, hasPython, pythonEcho } from '../testing/programs.ts'
import { askTls, createIdentity, mutualTlsServer } from '../testing/tls.ts'
import type { LocalServer } from './options.ts'

// Ports of host processes are below 32768, where Linux takes those of outgoing connections from (ip_local_port_range).
const mebibyte = 1 << 20

/** The same port number for TCP and for UDP, and one port that no Service knows. */
const shop = nodeApp(
  'shop',
  {
    container: { env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }] },
    ports: [
      { name: 'http', containerPort: 3000 },
      { name: 'echo', containerPort: 5353 },
      { name: 'echo-udp', containerPort: 5353, protocol: 'UDP' },
    ],
    service: {
      ports: [
        { name: 'http', port: 80, targetPort: 'http' },
        { name: 'echo', port: 5353, targetPort: 'echo' },
        { name: 'echo-udp', port: 5353, targetPort: 'echo-udp', protocol: 'UDP' },
      ],
    },
  },
  `process.on('SIGTERM', () => process.exit(0)); for (const port of [3000, 3999]) require('node:http').createServer((q, r) => r.end('pod')).listen(port)`,
)

const node = (script: string) => ({ image: 'node:24-slim', entrypoint: ['node', '-e', script] }) as const

describe.withCluster('protocols', { images: ['node:24-slim'], manifests: [client, ...shop] }, (test) => {
  test('HTTP: GET, POST, PUT, DELETE and PATCH reach a server in this process as they were sent', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: echo('here') } })
    expect(await askWithEachMethod(cluster)).toEqual(eachMethodFrom('here'))
  })

  test.skipIf(!hasPython)('the same by a server in Python', async ({ cluster }) => {
    const command = ['python3', pythonEcho, '0.0.0.0', '24001']
    await using _bridge = await cluster.bridge('deployment/shop', { command, ports: { http: 24_001 } })
    expect(await askWithEachMethod(cluster)).toEqual(eachMethodFrom('python'))
  })

  test.skipIf(!hasGo)('the same by a server in Go', async ({ cluster }) => {
    await using go = await buildGoEcho()
    const command = [go.program, '127.0.0.1:24002']
    await using _bridge = await cluster.bridge('deployment/shop', { command, ports: { http: 24_002 } })
    expect(await askWithEachMethod(cluster)).toEqual(eachMethodFrom('go'))
  })

  test('13 bodies of 20 MiB and a random tail are echoed at the same time, then one of 12 MiB', async ({ cluster }) => {
    const script = `require('node:http').createServer((q, r) => q.pipe(r)).listen(3000)`
    await using _bridge = await cluster.bridge('deployment/shop', { ...node(script), ports: { http: 3000 } })
    const result = await runInCluster<{ many: boolean[]; one: boolean }>(
      cluster,
      `const crypto = await import('node:crypto')
      const echo = async (body) => {
        const response = await fetch('http://shop/', { method: 'PUT', body })
        const hash = crypto.createHash('sha256')
        let length = 0
        for await (const chunk of response.body) { hash.update(chunk); length += chunk.length }
        return length === body.length && hash.digest('hex') === crypto.hash('sha256', body)
      }
      const base = crypto.randomBytes(${20 * mebibyte})
      const bodies = Array.from({ length: 13 }, () => Buffer.concat([base, crypto.randomBytes(1 + crypto.randomInt(100_000))]))
      return { many: await Promise.all(bodies.map(echo)), one: await echo(base.subarray(0, ${12 * mebibyte})) }`,
    )
    expect(result).toEqual({ many: Array(13).fill(true), one: true })
  })

  test.for([
    ['a local container', node(bigServerScript.replace('process.argv[1]', '3000')), 3000],
    ['a process that listens on loopback', { command: ['node', '-e', bigServerScript, '24003', '127.0.0.1'] }, 24_003],
  ] as const)(
    'a gibibyte down and up with %s: equal, in bounded memory of this process and of vitest’s main one',
    async ([, side, port], { cluster }) => {
      await using _bridge = await cluster.bridge('deployment/shop', { ...side, ports: { http: port } })
      const hash = bigHash()
      const url = cluster.url('shop')
      // The parent is vitest's main process, which owns the bridge: what listens on loopback is forwarded there.
      const peaks = await measurePeaks([process.pid, process.ppid], async () => {
        expect(await download(url)).toBe(hash)
        expect(await upload(url)).toBe(hash)
      })
      expect(Math.max(...peaks)).toBeLessThan(200 * mebibyte)
    },
  )

  test('websocket: text, binary, ping and pong, a message of 1 MiB, 10 s of silence, close code and reason', async ({ cluster }) => {
    const closed = Promise.withResolvers<{ code: number; reason: string }>()
    const sockets = new WebSocketServer({ noServer: true })
    const server = createServer().on('upgrade', (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (opened) => {
        opened.on('message', (data, isBinary) => opened.send(data, { binary: isBinary }))
        opened.on('close', (code, reason) => closed.resolve({ code, reason: String(reason) }))
      }),
    )
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: server } })
    const socket = new WebSocket(cluster.url('shop').replace('http', 'ws'))
    await once(socket, 'open')
    const ask = async (message: string | Buffer) => {
      socket.send(message)
      const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
      return isBinary ? data : data.toString()
    }
    expect(await ask('grün 🚀')).toBe('grün 🚀')
    expect(await ask(Buffer.of(0, 255, 10, 13))).toEqual(Buffer.of(0, 255, 10, 13))
    const big = Buffer.alloc(mebibyte, 'bridge')
    expect((await ask(big)).length === mebibyte && big.equals((await ask(big)) as Buffer)).toBe(true)
    socket.ping('are you there')
    expect(String(((await once(socket, 'pong')) as [Buffer])[0])).toBe('are you there')
    for (const opened of sockets.clients) opened.ping()
    await once(socket, 'ping')
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    expect(await ask('still here')).toBe('still here')
    const ended = once(socket, 'close') as Promise<[number]>
    socket.close(4001, 'enough')
    expect(await closed.promise).toEqual({ code: 4001, reason: 'enough' })
    expect((await ended)[0]).toBe(4001)
  })

  test('gRPC: unary, streams in each direction, status and trailers', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: grpcEchoServer(() => {}) } })
    const { host, port } = cluster.address('shop')
    using grpc = grpcEchoClient(`${host}:${port}`)
    expect(await grpc.unary({ text: 'one' })).toEqual({ texts: ['one'], code: 0, details: 'OK', trailers: { trailer: 'one' } })
    expect(await grpc.unary({ text: 'fail' })).toMatchObject({ texts: [], code: 9, details: 'no stock', trailers: { sku: 'A-1' } })
    expect(await grpc.down({ text: 'part', count: 3 })).toMatchObject({
      texts: ['part 0', 'part 1', 'part 2'],
      code: 0,
      trailers: { trailer: 'down' },
    })
    expect(await grpc.up(['a', 'b', 'c'])).toMatchObject({ texts: ['a b c'], code: 0 })
    expect(await grpc.both(['x', 'y'])).toMatchObject({ texts: ['echo x', 'echo y'], code: 0 })
  })

  test('gRPC: of 100 streams on one connection one is cancelled and one is over its deadline, and the others do not notice', async ({
    cluster,
  }) => {
    const cancelled: string[] = []
    const connections = new Set<Socket>()
    const server = grpcEchoServer((text) => cancelled.push(text)).on('connection', (socket) => connections.add(socket))
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: server } })
    const { host, port } = cluster.address('shop')
    using grpc = grpcEchoClient(`${host}:${port}`)
    const stop = new AbortController()
    const given = grpc.unary({ text: 'given up', count: 0 }, { signal: stop.signal })
    const late = grpc.unary({ text: 'late', count: 0 }, { deadline: 3_000 })
    const others = Array.from({ length: 98 }, (_, index) => grpc.down({ text: `${index}`, count: 20 }))
    expect(await grpc.unary({ text: 'first' })).toMatchObject({ code: 0 })
    stop.abort()
    expect(await given).toMatchObject({ code: 1 })
    await expect.poll(() => cancelled, { timeout: 10_000, interval: 10 }).toContain('given up')
    expect(await late).toMatchObject({ code: 4 })
    await expect.poll(() => cancelled, { timeout: 10_000, interval: 10 }).toContain('late')
    for (const { texts, code } of await Promise.all(others)) expect([texts.length, code]).toEqual([20, 0])
    expect(connections.size).toBe(1)
  })

  test('a body is sent after “100 Continue”, and each piece of it arrives before the next one is sent', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', { server: { http: echo('here') } })
    const pieces = await runInCluster<string[]>(
      cluster,
      `const { once } = await import('node:events'), http = await import('node:http')
      const request = http.request('http://shop/upload', { method: 'POST', headers: { expect: '100-continue', 'transfer-encoding': 'chunked' } })
      request.flushHeaders()
      await once(request, 'continue')
      const got = ['continue'], answered = once(request, 'response')
      request.write('one')
      const [response] = await answered
      for (const next of ['two', 'three', '']) {
        got.push(String((await once(response, 'data'))[0]))
        if (next) request.write(next)
      }
      request.end()
      await once(response.resume(), 'end')
      return got`,
    )
    expect(pieces).toEqual(['continue', 'one', 'two', 'three'])
    await bridge.expectLocal({ method: 'POST', path: '/upload', headers: { expect: '100-continue' } })
  })

  test('requests on one connection of a caller come on one connection here', async ({ cluster }) => {
    const ports: number[] = []
    const server: LocalServer = ({ socket }, response) => void response.end(String(ports.push(socket.remotePort!)))
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: server } })
    const answers = await runInCluster(
      cluster,
      `const http = await import('node:http'), agent = new http.Agent({ keepAlive: true, maxSockets: 1 }), answers = []
      for (let i = 0; i < 5; i++) answers.push(await new Promise((resolve, reject) => http.get('http://shop/', { agent }, async (response) => resolve((await response.setEncoding('utf8').toArray()).join(''))).on('error', reject)))
      return answers`,
    )
    expect(answers).toEqual(['1', '2', '3', '4', '5'])
    expect(new Set(ports).size).toBe(1)
  })

  test('raw TCP: a server that shuts its side first still gets all that the client sends', async ({ cluster }) => {
    const received = Promise.withResolvers<number>()
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      socket.end('that is all')
      let length = 0
      socket.on('data', (chunk) => (length += chunk.length)).on('end', () => received.resolve(length))
    })
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: server } })
    const heard = await runInCluster(
      cluster,
      `const net = await import('node:net'), { once } = await import('node:events')
      const socket = net.connect({ host: 'shop', port: 80, allowHalfOpen: true })
      let text = ''
      socket.on('data', (data) => (text += data))
      await once(socket, 'end')
      socket.end(Buffer.alloc(${10 * mebibyte}))
      await once(socket, 'close')
      return text`,
    )
    expect(heard).toBe('that is all')
    expect(await received.promise).toBe(10 * mebibyte)
  })

  test('UDP: 1,000 echoes in sequence, 5 clients, a burst of 500, an answer after 12 s; TCP on the same port', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', { ...node(udpEcho), ports: { echo: 5353, 'echo-udp': 5353 } })
    const result = await runInCluster(
      cluster,
      `const dgram = await import('node:dgram'), net = await import('node:net'), { once } = await import('node:events')
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      const open = () => new Promise((resolve) => { const socket = dgram.createSocket('udp4'); socket.connect(5353, 'shop', () => resolve(socket)) })
      const ask = async (socket, text) => { socket.send(text); return String((await once(socket, 'message', { signal: AbortSignal.timeout(20_000) }))[0]) }
      const late = open().then((socket) => ask(socket, 'late'))
      const one = await open()
      let sequence = 0
      for (let i = 0; i < 1000; i++) if (await ask(one, 'number ' + i) === 'number ' + i) sequence++
      const clients = await Promise.all(Array.from({ length: 5 }, async (_, c) => {
        const socket = await open()
        let own = 0
        for (let i = 0; i < 50; i++) if (await ask(socket, c + ' ' + i) === c + ' ' + i) own++
        return own
      }))
      const got = new Set(), burst = await open()
      burst.on('message', (message) => got.add(String(message)))
      // Few enough at a time for the kernel's buffer of a socket.
      for (let i = 0; i < 500; i++) { burst.send('burst ' + i); if (i % 50 === 49) await sleep(20) }
      for (let i = 0; i < 100 && got.size < 500; i++) await sleep(20)
      const tcp = net.connect(5353, 'shop')
      return { sequence, clients, burst: got.size, late: await late, tcp: String((await once(tcp, 'data'))[0]) }`,
    )
    expect(result).toEqual({ sequence: 1000, clients: [50, 50, 50, 50, 50], burst: 500, late: 'late', tcp: 'tcp' })
  })

  test('TLS passes as it is: the certificate of the name that was asked for, and both sides know each other', async ({ cluster }) => {
    const [shopIdentity, otherIdentity, caller, stranger] = await Promise.all(
      ['shop', 'shop.example', 'caller', 'stranger'].map((name) => createIdentity(name)),
    )
    const server = mutualTlsServer({ shop: shopIdentity!, 'shop.example': otherIdentity! }, caller!)
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: server } })
    const address = cluster.address('shop')
    for (const [servername, { cert }] of [
      ['shop', shopIdentity!],
      ['shop.example', otherIdentity!],
    ] as const)
      expect(await askTls(address, { servername, ca: cert, client: caller! })).toEqual({
        answer: { servername, client: 'caller' },
        certificate: cert.replaceAll('\r', '').trim(),
      })
    await expect(askTls(address, { servername: 'shop', ca: shopIdentity!.cert, client: stranger! })).rejects.toThrow(
      /refused|alert|ECONNRESET/,
    )
    await expect(askTls(address, { servername: 'shop', ca: otherIdentity!.cert, client: caller! })).rejects.toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    })
  })

  test('with nobody listening here 1,000 requests are refused at once, and the bridge goes on when somebody does', async ({ cluster }) => {
    const script = `
      setInterval(() => {}, 1000)
      const server = require('node:http').createServer((q, r) => r.setHeader('connection', 'close').end('local')).listen(3000)
      process.on('SIGUSR2', () => server.listening ? server.close() : server.listen(3000))`
    await using bridge = await cluster.bridge('deployment/shop', { ...node(script), ports: { http: 3000 } })
    const toggle = () => bridge.container!.exec(['sh', '-c', 'kill -USR2 1'])
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['local'])
    await toggle()
    const refused = await runInCluster<{ codes: Record<string, number>; slowest: number }>(
      cluster,
      `const codes = {}
      let slowest = 0, left = 1000
      await Promise.all(Array.from({ length: 20 }, async () => {
        while (left-- > 0) {
          const started = performance.now()
          const code = await fetch('http://shop/').then((response) => 'answered ' + response.status, (error) => error.cause.code)
          codes[code] = (codes[code] ?? 0) + 1
          slowest = Math.max(slowest, performance.now() - started)
        }
      }))
      return { codes, slowest }`,
    )
    expect(refused.codes).toEqual({ ECONNREFUSED: 1000 })
    expect(refused.slowest).toBeLessThan(5_000)
    await toggle()
    await expect.poll(() => fetchInCluster(cluster, 'http://shop/').catch(String), { timeout: 10_000 }).toEqual(['local'])
  })

  test.for(['127.0.0.1', '0.0.0.0', '::', '::1'] as const)('a process that listens on %s is reached', async (address, { cluster }) => {
    const script = `require('node:http').createServer((q, r) => r.end('on ${address}')).listen(24004, '${address}')`
    await using _bridge = await cluster.bridge('deployment/shop', { command: ['node', '-e', script], ports: { http: 24_004 } })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([`on ${address}`])
  })

  test('a local container that binds to the address of the pod is reached, and that address still leads to the pod', async ({
    cluster,
  }) => {
    const script = `require('node:http').createServer((q, r) => r.end('on ' + process.env.POD_IP)).listen(3000, process.env.POD_IP)`
    await using bridge = await cluster.bridge('deployment/shop', { ...node(script), ports: { http: 3000 } })
    const [pod] = await podsOf(cluster, 'shop')
    const address = pod!.status!.podIP!
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([`on ${address}`])
    const ask = (port: number) => runInLocal(bridge.container!, `return await (await fetch('http://${address}:${port}/')).text()`)
    expect(await ask(3999)).toBe('pod')
    expect(await ask(3000)).toBe(`on ${address}`)
  })

  test('2,000 connections are open at the same time, with 200 requests a second for 5 s: no error', async ({ cluster }) => {
    const script = `
      const server = require('node:http').createServer((q, r) => r.end('local'))
      server.keepAliveTimeout = 60_000
      server.listen({ port: 3000, backlog: 2048 })`
    await using _bridge = await cluster.bridge('deployment/shop', { ...node(script), ports: { http: 3000 } })
    const result = await runInCluster<Record<string, number>>(
      cluster,
      `const net = await import('node:net'), { once } = await import('node:events')
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      const sockets = [], result = { open: 0, local: 0, wrong: 0, failed: 0 }
      const ask = async (socket) => {
        const data = once(socket, 'data', { signal: AbortSignal.timeout(20_000) })
        socket.write('GET / HTTP/1.1\\r\\nHost: shop\\r\\n\\r\\n')
        String((await data)[0]).endsWith('local') ? result.local++ : result.wrong++
      }
      const all = (works) => Promise.all(works.map((work) => work.catch(() => result.failed++)))
      for (let i = 0; i < 20; i++) await all(Array.from({ length: 100 }, async () => {
        const socket = net.connect(80, 'shop')
        await once(socket, 'connect')
        sockets.push(socket.on('close', () => result.open--))
        result.open++
      }))
      await all(sockets.map(ask))
      const asked = []
      for (let i = 0; i < 1000; i++) { asked.push(ask(sockets[(i * 7) % 2000])); await sleep(5) }
      await all(asked)
      return result`,
    )
    expect(result).toEqual({ open: 2000, local: 3000, wrong: 0, failed: 0 })
  })
})

/** Answers with the body of the request, piece by piece. */
function echo(side: string): LocalServer {
  return (request, response) => {
    response.writeHead(200, { 'x-side': side, 'x-method': request.method, 'x-url': request.url })
    request.pipe(response)
  }
}

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']

/** From a pod, with every byte there is in the body. */
function askWithEachMethod(cluster: TestCluster): Promise<unknown> {
  return runInCluster(
    cluster,
    `const every = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index & 255)), answers = []
    for (const method of ${JSON.stringify(methods)}) {
      const body = method === 'GET' ? undefined : every
      const response = await fetch('http://shop/items/7?q=%20x', { method, body })
      const isEqual = Buffer.from(await response.arrayBuffer()).equals(body ?? Buffer.of())
      answers.push([...['x-side', 'x-method', 'x-url'].map((name) => response.headers.get(name)), response.status, isEqual])
    }
    return answers`,
  )
}

function eachMethodFrom(side: string): unknown {
  return methods.map((method) => [side, method, '/items/7?q=%20x', 200, true])
}

const udpEcho = `
const socket = require('node:dgram').createSocket('udp4')
socket.on('message', (message, { port, address }) => {
  const answer = () => socket.send(message, port, address)
  if (String(message) === 'late') setTimeout(answer, 12_000)
  else answer()
})
socket.bind(5353)
require('node:net').createServer((connection) => connection.end('tcp')).listen(5353)`
