import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, onTestFinished, test } from 'vitest'

import type { TestCluster } from '../../client/test-cluster.ts'
import { connectDocker } from '../../docker/docker.ts'
import { describe } from '../../suite/describe.ts'
import { bracketed } from '../../support/ip-range.ts'
import { findRemains, publishedPorts } from '../../testing/find-remains.ts'
import { canStartFirewall, removeFirewall, startFirewall } from '../../testing/firewall.ts'
import { client, fetchInCluster, runInCluster } from '../../testing/in-cluster.ts'
import { nodeApp } from '../../testing/node-app.ts'
import { podsOf } from '../../testing/nodes.ts'
import { runVitest } from '../../testing/run-vitest.ts'
import type { LocalServer } from '../options.ts'

const shop = nodeApp(
  'shop',
  {
    replicas: 2,
    ports: [
      { name: 'http', containerPort: 3000 },
      { name: 'raw', containerPort: 3001 },
      { name: 'dns', containerPort: 5353, protocol: 'UDP' },
    ],
    service: {
      ports: [
        { name: 'http', port: 80, targetPort: 'http' },
        { name: 'raw', port: 3001 },
        { name: 'dns', port: 5353, protocol: 'UDP' },
      ],
    },
  },
  `process.on('SIGTERM', () => process.exit(0))
  require('node:http').createServer((q, r) => r.end('pod ' + require('node:os').hostname() + ' ' + q.url)).listen(3000)`,
)
const stack = { images: ['node:24-slim'], manifests: [client, ...shop] }
const answer =
  (text: string): LocalServer =>
  (request, response) =>
    void response.end(`${text} ${request.url}`)

const listen = (text: string) => ['node', '-e', `require('node:http').createServer((q, r) => r.end('${text} ' + q.url)).listen(3000)`]

async function relaysOf(cluster: Pick<TestCluster, 'name'>): Promise<readonly string[]> {
  const { engine } = await connectDocker()
  const containers = await engine.listContainers({ filters: { label: [`vitest-kubernetes.cluster=${cluster.name}`] } })
  return containers.flatMap(({ Names }) => (Names[0]!.includes('-relay-') ? [Names[0]!.slice(1)] : []))
}

describe.skipIf(!canStartFirewall).withCluster('behind a firewall that refuses', stack, (test) => {
  test.beforeAll(async ({ cluster }) => {
    const firewall = await startFirewall(cluster, 'REJECT')
    return () => firewall[Symbol.asyncDispose]()
  })

  test('a server in this process answers, and expectLocal sees it; then the pods again', async ({ cluster }) => {
    const bridge = await cluster.bridge('deployment/shop', { server: { http: answer('server') } })
    expect(await fetchInCluster(cluster, 'http://shop/a')).toEqual(['server /a'])
    await bridge.expectLocal({ path: '/a' })
    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://shop/b')).toEqual([expect.stringMatching(/^pod shop-.* \/b$/)])
  })
})

describe.skipIf(!canStartFirewall).withCluster('IPv6 behind a firewall', { ...stack, ipFamily: 'dual' }, (test) => {
  test('connections of both families come to this machine', async ({ cluster }) => {
    await using _firewall = await startFirewall(cluster, 'REJECT')
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: answer('server') } })
    const { podIPs = [] } = (await podsOf(cluster, 'shop'))[0]!.status!
    const hosts = podIPs.map(({ ip }) => `${bracketed(ip)}:3000`)
    expect(hosts).toHaveLength(2)
    for (const host of hosts) expect(await fetchInCluster(cluster, `http://${host}/a`), host).toEqual(['server /a'])
  })
})

describe.skipIf(!canStartFirewall).withCluster('behind a firewall that swallows', stack, (test) => {
  test.beforeAll(async ({ cluster }) => {
    const firewall = await startFirewall(cluster, 'DROP')
    return () => firewall[Symbol.asyncDispose]()
  })

  test('bridges that begin at the same time share the relay that starts for the first', async ({ cluster }) => {
    await using _first = await cluster.bridge('deployment/shop', {
      image: 'node:24-slim',
      entrypoint: listen('container'),
      ports: { http: 3000 },
    })
    // A container in the place of all pods needs nothing of this machine.
    expect(await relaysOf(cluster)).toEqual([])
    await _first[Symbol.asyncDispose]()
    await using both = new AsyncDisposableStack()
    const ports = [{ http: answer('http') }, { raw: answer('raw') }]
    const started = await Promise.all(ports.map((server) => cluster.bridge('deployment/shop', { server })))
    started.forEach((each) => both.use(each))
    expect(await fetchInCluster(cluster, 'http://shop/a')).toEqual(['http /a'])
    expect(await fetchInCluster(cluster, 'http://shop:3001/a')).toEqual(['raw /a'])
    expect(await relaysOf(cluster)).toHaveLength(1)
  })

  test.for([
    ['0.0.0.0', 24_101],
    ['127.0.0.1', 24_102],
    ['::1', 24_103],
  ] as const)('a command that listens on %s answers', async ([host, port], { cluster }) => {
    const script = `require('node:http').createServer((q, r) => r.end('command ' + q.url)).listen(${port}, '${host}')`
    await using _bridge = await cluster.bridge('deployment/shop', { command: ['node', '-e', script], ports: { http: port } })
    expect(await fetchInCluster(cluster, 'http://shop/a', 2), host).toEqual(['command /a', 'command /a'])
  })

  test('match: what fits goes to this process or a container, all else to the very pod that it was sent to', async ({ cluster }) => {
    await using _here = await cluster.bridge('deployment/shop', { server: { http: answer('here') }, match: { path: '/here' } })
    await using _container = await cluster.bridge('deployment/shop', {
      ...{ image: 'node:24-slim', entrypoint: listen('container'), ports: { http: 3000 } },
      match: { path: '/container' },
    })
    expect(await fetchInCluster(cluster, 'http://shop/here')).toEqual(['here /here'])
    expect(await fetchInCluster(cluster, 'http://shop/container')).toEqual(['container /container'])
    for (const { metadata, status } of await podsOf(cluster, 'shop'))
      expect(await fetchInCluster(cluster, `http://${status!.podIP}:3000/x`, 3)).toEqual(Array(3).fill(`pod ${metadata!.name} /x`))
  })

  test('mirror: copies come here, and the pods answer', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', { server: { http: answer('here') }, mirror: true })
    expect(await fetchInCluster(cluster, 'http://shop/a')).toEqual([expect.stringMatching(/^pod shop-.* \/a$/)])
    await bridge.expectLocal({ path: '/a' })
  })

  test('disturb: answers are those of the disturbance', async ({ cluster }) => {
    await using _disturbed = await cluster.disturb('deployment/shop', { ports: ['http'], status: 503 })
    const status = `return (await fetch('http://shop/')).status`
    expect(await runInCluster(cluster, status)).toBe(503)
  })

  test('fromPod: a port of the pods’ loopback is here', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: answer('here') }, fromPod: [3000] })
    expect(await (await fetch('http://127.0.0.1:3000/a')).text()).toMatch(/^pod shop-.* \/a$/)
  })

  test('UDP: datagrams come here, each as it was sent, and their answers go back', async ({ cluster }) => {
    const socket = createSocket('udp4')
    socket.on('message', (bytes, { port, address }) => socket.send(bytes, port, address))
    await using _bridge = await cluster.bridge('deployment/shop', { server: { dns: socket } })
    const sizes = [0, 1, 1_400, 8_000]
    const script = `const socket = (await import('node:dgram')).createSocket('udp4')
      socket.connect(5353, 'shop')
      await (await import('node:events')).once(socket, 'connect')
      const sizes = []
      socket.on('message', (bytes) => sizes.push(bytes.length))
      for (const size of ${JSON.stringify(sizes)}) { socket.send(Buffer.alloc(size)); await new Promise((go) => setTimeout(go, 300)) }
      return sizes`
    expect(await runInCluster(cluster, script)).toEqual(sizes)
  })

  test('ends pass as ends and resets as resets, both ways, after the bytes before them', async ({ cluster }) => {
    const seen: string[] = []
    // Does what the first byte says.
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let got = ''
      socket.on('error', (error: NodeJS.ErrnoException) => seen.push(`${got} ${error.code}`))
      socket.on('data', (bytes) => {
        got += String(bytes)
        if (got === 'reset') socket.write('bytes', () => setTimeout(() => socket.resetAndDestroy(), 50))
        if (got === 'end') socket.end('bytes')
      })
      socket.on('end', () => {
        seen.push(`${got} end`)
        // A while after the end of the other direction.
        if (got === 'half') setTimeout(() => socket.end('late'), 100)
        else socket.end()
      })
    })
    await using _bridge = await cluster.bridge('deployment/shop', { server: { raw: server } })
    const script = `const net = await import('node:net')
      const call = (word, act = () => {}) => new Promise((resolve) => {
        const socket = net.connect({ host: 'shop', port: 3001, allowHalfOpen: true }, () => { socket.write(word); act(socket) })
        let got = ''
        socket.on('data', (bytes) => (got += bytes))
        socket.on('end', () => { if (word === 'end') { setTimeout(() => socket.end(' more'), 100) } })
        socket.on('error', (error) => resolve(got + ' ' + error.code)).on('close', () => resolve(got + ' closed'))
      })
      return Promise.all([
        call('reset'),
        call('end'),
        call('half', (socket) => socket.end()),
        call('broken', (socket) => setTimeout(() => socket.resetAndDestroy(), 100)),
      ])`
    expect(await runInCluster(cluster, script)).toEqual(['bytes ECONNRESET', 'bytes closed', 'late closed', ' closed'])
    await expect.poll(() => seen.toSorted()).toEqual(['broken ECONNRESET', 'end more end', 'half end'])
  })

  test('a port on which nobody listens any more is refused', async ({ cluster }) => {
    const script = `require('node:http').createServer((q, r) => r.end('command ' + process.exit())).listen(24104)`
    await using bridge = await cluster.bridge('deployment/shop', { command: ['node', '-e', script], ports: { http: 24_104 } })
    const ask = `return fetch('http://shop/').then(() => 'answered', (error) => error.cause.code)`
    expect([await runInCluster(cluster, ask), await runInCluster(cluster, ask)]).toEqual(
      Array(2).fill(expect.stringMatching(/ECONNRESET|UND_ERR_SOCKET/)),
    )
    await expect.poll(() => bridge.problems()).toEqual([expect.stringContaining('ended with exit code 0')])
  })

  test('200 connections at once, each with bytes of its own', async ({ cluster }) => {
    const server = createServer((socket) => void socket.on('error', () => {}).pipe(socket))
    await using _bridge = await cluster.bridge('deployment/shop', { server: { raw: server } })
    const script = `const net = await import('node:net'), crypto = await import('node:crypto')
      const call = () => new Promise((resolve, reject) => {
        const sent = crypto.randomBytes(100_000)
        const got = []
        const socket = net.connect({ host: 'shop', port: 3001, allowHalfOpen: true }, () => socket.end(sent))
        socket.on('data', (bytes) => got.push(bytes)).on('error', reject).on('end', () => resolve(sent.equals(Buffer.concat(got))))
      })
      const all = await Promise.all(Array.from({ length: 200 }, call))
      return all.filter(Boolean).length`
    expect(await runInCluster(cluster, script)).toBe(200)
  })

  test('100 MB each way at the same time, to who reads slowly: equal, and nothing is held in memory', async ({ cluster }) => {
    const size = 100e6
    const chunk = Buffer.alloc(100_000, 'city of bridges')
    const wanted = createHash('sha256')
    for (let sent = 0; sent < size; sent += chunk.length) wanted.update(chunk)
    const hash = wanted.digest('hex')
    const got = Promise.withResolvers<string>()
    let early = 0
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      void (async () => {
        for (let sent = 0; sent < size; sent += chunk.length) {
          early = sent
          if (!socket.write(chunk)) await once(socket, 'drain')
        }
        socket.end()
      })()
      void (async () => {
        const hashed = createHash('sha256')
        for await (const bytes of socket) hashed.update(bytes as Buffer)
        got.resolve(hashed.digest('hex'))
      })()
    })
    await using _bridge = await cluster.bridge('deployment/shop', { server: { raw: server } })
    const script = `const net = await import('node:net'), { once } = await import('node:events'), crypto = await import('node:crypto')
      const socket = net.connect({ host: 'shop', port: 3001, allowHalfOpen: true })
      const chunk = Buffer.alloc(${chunk.length}, 'city of bridges')
      const sending = (async () => {
        for (let sent = 0; sent < ${size}; sent += chunk.length) if (!socket.write(chunk)) await once(socket, 'drain')
        socket.end()
      })()
      // So long that all that can be held on the way is.
      await new Promise((go) => setTimeout(go, 3000))
      const hash = crypto.createHash('sha256')
      for await (const bytes of socket) hash.update(bytes)
      await sending
      return hash.digest('hex')`
    const received = runInCluster<string>(cluster, script)
    await sleep(2_500)
    expect(early).toBeLessThan(40e6)
    expect(await received).toBe(hash)
    expect(await got.promise).toBe(hash)
  })

  test('a relay that is killed is told of, and another one takes its place', async ({ cluster }) => {
    const { engine } = await connectDocker()
    await using bridge = await cluster.bridge('deployment/shop', { server: { http: answer('server') } })
    expect(await fetchInCluster(cluster, 'http://shop/a')).toEqual(['server /a'])
    const [killed] = await relaysOf(cluster)
    await engine.getContainer(killed!).kill()
    await expect
      .poll(() => bridge.problems(), { timeout: 20_000 })
      .toEqual([expect.stringContaining(`"${killed}", which relays connections`)])
    await expect.poll(() => relaysOf(cluster), { timeout: 20_000 }).toEqual([expect.not.stringContaining(killed!)])
    const ask = () => fetchInCluster(cluster, 'http://shop/a').catch(String)
    await expect.poll(ask, { timeout: 20_000 }).toEqual(['server /a'])
    // The next bridge is as any.
    await bridge[Symbol.asyncDispose]()
    await using _next = await cluster.bridge('deployment/shop', { server: { http: answer('next') } })
    expect(await ask()).toEqual(['next /a'])
  })

  test('a bridge is told that its relay came back elsewhere, and what to do', async ({ cluster }) => {
    const { engine } = await connectDocker()
    const bridge = await cluster.bridge('deployment/shop', { server: { http: answer('server') } })
    const relay = engine.getContainer((await relaysOf(cluster))[0]!)
    const { Config, HostConfig } = await relay.inspect()
    const { Image, Labels } = Config
    // Takes the address as soon as it is free.
    const other = await engine.createContainer({
      Image,
      Labels,
      HostConfig: { NetworkMode: HostConfig.NetworkMode! },
      Entrypoint: ['sleep', '600'],
      Cmd: [],
    })
    await relay.kill()
    await other.start()
    const told = [expect.stringContaining('which relays connections'), expect.stringContaining('has another address')]
    await expect.poll(() => bridge.problems(), { timeout: 20_000 }).toEqual(told)
    await bridge[Symbol.asyncDispose]()
    await using _again = await cluster.bridge('deployment/shop', { server: { http: answer('again') } })
    expect(await fetchInCluster(cluster, 'http://shop/a')).toEqual(['again /a'])
    await other.remove({ force: true, v: true })
  })
})

test.skipIf(!canStartFirewall)('SIGKILL of the main process leaves nothing within 30 s', async () => {
  const run = runVitest('relayed')
  onTestFinished(() => void run.child.kill('SIGTERM'))
  await run.prints('the test runs in process')
  const [, name = ''] = /k3d cluster "(vk-\S+)"/.exec(run.output())!
  onTestFinished(() => removeFirewall(name))
  expect(await relaysOf({ name })).toHaveLength(1)
  const ports = await publishedPorts(run.output())
  run.child.kill('SIGKILL')
  await expect.poll(() => findRemains(run.output(), ports), { timeout: 30_000, interval: 250 }).toEqual([])
})

describe.withCluster('without a firewall', stack, (test) => {
  test('nothing stands between pods and this machine', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: answer('server') } })
    expect(await fetchInCluster(cluster, 'http://shop/a')).toEqual(['server /a'])
    expect(await relaysOf(cluster)).toEqual([])
  })
})
