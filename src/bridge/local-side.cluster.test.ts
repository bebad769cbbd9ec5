import dns from 'node:dns'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import http2 from 'node:http2'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { GenericContainer, Wait } from 'testcontainers'
import { expect } from 'vitest'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { describe } from '../suite/describe.ts'
import { client, fetchInCluster, runInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { buildGoEcho, hasGo } from '../testing/programs.ts'

// Ports of host processes are below 32768, where Linux takes those of outgoing connections from (ip_local_port_range).
const longValue = 'x'.repeat(40_000)
const values = {
  MULTI: 'one\ntwo\n',
  QUOTES: `"double" 'single' $HOME \\ back`,
  EQUALS: 'a=b=c',
  UNICODE: 'grün 🚀',
  EMPTY: '',
  LONG: longValue,
}

const config = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings' },
  data: { 'app.json': '{"color":"blue"}', 'other.txt': 'other', ...values },
}
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { token: 's3cret\nline', password: 'p=a$s' } }

/** Takes environment and files from everywhere that a pod can. */
const shop = nodeApp(
  'shop',
  {
    ports: [
      { name: 'http', containerPort: 3000 },
      { name: 'echo', containerPort: 5353, protocol: 'UDP' },
    ],
    container: {
      env: [
        ...Object.entries(values).map(([name, value]) => ({ name, value })),
        { name: 'FROM_SECRET', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
        { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        { name: 'COMPOSED', value: '$(FROM_SECRET)/$(POD_IP)' },
        { name: 'PEER_URL', value: 'http://peer/path' },
      ],
      envFrom: [{ configMapRef: { name: 'settings' }, prefix: 'CM_' }],
      resources: { limits: { cpu: '500m' } },
      volumeMounts: [
        { name: 'settings', mountPath: '/etc/settings' },
        { name: 'settings', mountPath: '/etc/single/app.json', subPath: 'app.json' },
        { name: 'keys', mountPath: '/var/run/keys', readOnly: true },
        { name: 'scratch', mountPath: '/scratch' },
        { name: 'about', mountPath: '/etc/about' },
      ],
    },
    pod: {
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'keys', secret: { secretName: 'keys' } },
        { name: 'scratch', emptyDir: {} },
        { name: 'about', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      ],
    },
    service: {
      ports: [
        { name: 'http', port: 80, targetPort: 3000 },
        { name: 'echo', port: 5353, targetPort: 5353, protocol: 'UDP' },
      ],
    },
  },
  `require('node:fs').writeFileSync('/scratch/written', 'by the pod')
  process.on('SIGTERM', () => process.exit(0))
  require('node:http').createServer((q, r) => r.end('pod')).listen(3000)`,
)

const peer = nodeApp(
  'peer',
  {},
  `process.on('SIGTERM', () => process.exit(0)); require('node:http').createServer((q, r) => r.end('peer ' + q.headers.host + q.url)).listen(3000)`,
)

/** Answers what is asked of it: its environment, its files, and what it gets from elsewhere. */
const inspector = `
const { readFileSync } = require('node:fs')
require('node:http').createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x')
  try {
    if (url.pathname === '/env') response.end(JSON.stringify(process.env))
    else if (url.pathname === '/file') response.end(readFileSync(url.searchParams.get('path')))
    else if (url.pathname === '/fetch') response.end(await (await fetch(url.searchParams.get('url'))).text())
    else if (url.pathname === '/lookup') response.end(JSON.stringify((await require('node:dns').promises.lookup(url.searchParams.get('name'), { all: true })).map((each) => each.address)))
    else response.end('local ' + process.version)
  } catch (error) { response.writeHead(500).end(String(error.code ?? error)) }
}).listen(Number(process.env.PORT ?? 3000))
const udp = require('node:dgram').createSocket('udp4')
udp.on('message', (message, from) => { udp.send(message, from.port, from.address); if (message.length < 10) udp.send('again', from.port, from.address) })
udp.bind(5353)
`
/** Without the image's own entrypoint: a shell drops variables whose names it could not write, such as `CM_app.json`. */
const image = { image: 'node:24-slim', entrypoint: ['node', '-e', inspector] } as const

describe.withCluster('local side', { images: ['node:24-slim'], manifests: [client, config, secret, ...shop, ...peer] }, (test) => {
  test('a local container has the environment of the one that it replaces, byte for byte', async ({ cluster }) => {
    const original = await environmentOf(cluster)
    await using _bridge = await cluster.bridge('deployment/shop', image)
    const local = JSON.parse((await fetchInCluster(cluster, 'http://shop/env'))[0]!) as Record<string, string>
    const { PATH, HOME, ...same } = original
    expect(PATH && HOME).toBeTruthy()
    expect(local).toMatchObject(same)
    expect(local).toMatchObject({
      ...values,
      FROM_SECRET: 's3cret\nline',
      CPU: '1',
      CM_LONG: longValue,
      COMPOSED: `s3cret\nline/${original['POD_IP']}`,
    })
  })

  test('variables can be included, excluded, set and taken away', async ({ cluster }) => {
    const env = { include: ['CM_*', 'MULTI', 'EQUALS'], exclude: ['CM_L*'], set: { MULTI: 'mine', EQUALS: null, NEW: '1' } }
    await using _bridge = await cluster.bridge('deployment/shop', { ...image, env })
    const local = JSON.parse((await fetchInCluster(cluster, 'http://shop/env'))[0]!) as Record<string, string>
    expect(local).toMatchObject({ CM_UNICODE: 'grün 🚀', MULTI: 'mine', NEW: '1' })
    for (const name of ['CM_LONG', 'EQUALS', 'FROM_SECRET']) expect(local).not.toHaveProperty(name)
  })

  test('its files are at the same paths: ConfigMap, Secret, subPath, emptyDir, downward API, and a token that the API server takes', async ({
    cluster,
  }) => {
    await using bridge = await cluster.bridge('deployment/shop', image)
    const files = [
      '/etc/settings/app.json',
      '/etc/settings/MULTI',
      '/etc/single/app.json',
      '/var/run/keys/token',
      '/scratch/written',
      '/etc/about/labels',
    ]
    const account = '/var/run/secrets/kubernetes.io/serviceaccount'
    for (const path of [...files, `${account}/ca.crt`, `${account}/namespace`]) {
      const original = (await cluster.exec('deployment/shop', ['cat', path])).stdout
      expect(await fetchInCluster(cluster, `http://shop/file?path=${path}`), path).toEqual([original])
    }
    const script = `const https = require('node:https'), fs = require('node:fs'); https.get('https://kubernetes.default/version', {
      ca: fs.readFileSync('${account}/ca.crt'), headers: { authorization: 'Bearer ' + fs.readFileSync('${account}/token') } }, (r) => { console.log(r.statusCode); process.exit(0) })`
    expect((await bridge.container!.exec(['node', '-e', script])).output.trim()).toBe('200')
  })

  test('a ConfigMap that changes in the pod changes in the local container', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', image)
    await cluster.apply({ ...config, data: { ...config.data, 'app.json': '{"color":"red"}' } })
    // kubelet looks at a pod's ConfigMaps once a minute, and at once when the pod changes.
    const kubectl = (command: string[]) =>
      connectDocker().then((docker) =>
        execInContainer(docker, `k3d-${cluster.name}-server-0`, ['kubectl', ...command], { timeout: 60_000 }),
      )
    await kubectl(['annotate', 'pod', '-l', 'app=shop', 'look=again', '--overwrite'])
    await expect
      .poll(async () => (await cluster.exec('deployment/shop', ['cat', '/etc/settings/app.json'])).stdout, {
        timeout: 90_000,
        interval: 500,
      })
      .toContain('red')
    await expect
      .poll(() => fetchInCluster(cluster, 'http://shop/file?path=/etc/settings/app.json'), { timeout: 10_000 })
      .toEqual(['{"color":"red"}'])
  })

  test('it is a member of the cluster: names resolve as in a pod, and its own Service leads to itself', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', image)
    for (const name of [
      'peer',
      'peer.default',
      'peer.default.svc',
      'peer.default.svc.cluster.local',
      'peer.default.svc.cluster.local.',
      'absent',
      'kubernetes',
    ]) {
      const inPod = await runInCluster(
        cluster,
        `return await (await import('node:dns')).promises.lookup('${name}', { all: true }).then((all) => JSON.stringify(all.map((each) => each.address)), (error) => error.code)`,
      )
      expect(await fetchInCluster(cluster, `http://shop/lookup?name=${name}`), name).toEqual([inPod])
    }
    expect(await fetchInCluster(cluster, 'http://shop/fetch?url=http://peer/x')).toEqual(['peer peer/x'])
    expect(await fetchInCluster(cluster, 'http://shop/fetch?url=http://shop/')).toEqual([`local ${process.version}`])
  })

  test('UDP on the same bridge: small and fragmented datagrams, two answers to one, many clients', async ({ cluster }) => {
    await using _bridge = await cluster.bridge('deployment/shop', image)
    const result = await runInCluster<unknown>(
      cluster,
      `const dgram = await import('node:dgram')
      const ask = (message, answers) => new Promise((resolve, reject) => {
        const socket = dgram.createSocket('udp4'), got = []
        const timer = setTimeout(() => reject(new Error('no answer to ' + message.length)), 5000)
        socket.on('message', (answer) => { got.push(answer.toString()); if (got.length === answers) { clearTimeout(timer); socket.close(); resolve(got) } })
        socket.send(message, 5353, 'shop')
      })
      const big = 'y'.repeat(25_000)
      const many = await Promise.all(Array.from({ length: 50 }, (_, i) => ask('client number ' + i, 1)))
      return { small: await ask('hi', 2), big: (await ask(big, 1))[0] === big, many: many.every(([text], i) => text === 'client number ' + i) }`,
    )
    expect(result).toEqual({ small: ['hi', 'again'], big: true, many: true })
  })

  test('a folder is mounted, the container restarts with new code, and stays bridged', async ({ cluster }) => {
    const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
    const write = (text: string) =>
      writeFile(join(folder, 'server.js'), `require('node:http').createServer((q, r) => r.end('${text}')).listen(3000)`)
    try {
      await write('first')
      const stages = ['FROM node:24-slim AS code', 'ARG FOLDER', 'ENV FOLDER=$FOLDER', 'FROM code AS broken', 'RUN exit 1']
      await writeFile(join(folder, 'Dockerfile.code'), stages.join('\n'))
      await using bridge = await cluster.bridge('deployment/shop', {
        build: folder,
        dockerfile: 'Dockerfile.code',
        target: 'code',
        buildArgs: { FOLDER: '/code' },
        command: ['sh', '-c', 'exec node $FOLDER/server.js'],
        mount: { [folder]: '/code' },
        ports: { http: 3000 },
        publish: [3000],
      })
      expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['first'])
      const { host, port } = bridge.address(3000)
      expect(await (await fetch(`http://${host}:${port}/`)).text()).toBe('first')
      await write('second')
      await bridge.container!.restart()
      await expect.poll(() => fetchInCluster(cluster, 'http://shop/').catch(String), { timeout: 10_000 }).toEqual(['second'])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('a container that listens on loopback only is reached; testcontainers’ wait strategy and logs are at hand', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', {
      image: 'node:24-slim',
      command: [
        'node',
        '-e',
        `require('node:http').createServer((q, r) => r.end('loopback')).listen(3000, '127.0.0.1', () => console.log('is up'))`,
      ],
      ports: { http: 3000 },
      configure: (container) => container.withWaitStrategy(Wait.forLogMessage('is up')),
    })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['loopback'])
    expect(bridge.container!.getLabels()).toMatchObject({ 'vitest-kubernetes.cluster': cluster.name })
  })

  test('a container that runs already stands in, and goes back to where it was', async ({ cluster }) => {
    const name = process.env['VITEST_KUBERNETES_IMAGES']?.match(/node=([^,]+)/)?.[1] ?? 'node:24-slim'
    await using container = await new GenericContainer(name)
      .withAutoCleanup(false)
      .withCommand(['node', '-e', `require('node:http').createServer((q, r) => r.end('mine')).listen(8080)`])
      .start()
    const bridge = await cluster.bridge('deployment/shop', { container, ports: { http: 8080 } })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['mine'])
    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['pod'])
    const { NetworkSettings } = await (await connectDocker()).engine.getContainer(container.getId()).inspect()
    expect(Object.keys(NetworkSettings.Networks)).not.toContain(cluster.name)

    const loopback = `require('node:http').createServer((q, r) => r.end('mine')).listen(8081, '127.0.0.1')`
    const { exitCode } = await container.exec(['sh', '-c', `node -e "${loopback}" > /dev/null 2>&1 &`])
    expect(exitCode).toBe(0)
    await expect(cluster.bridge('deployment/shop', { container, ports: { http: 8081 } })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_NOT_LISTENING',
      message: `Container "${container.getName().slice(1)}" listens on port 8081 only on loopback.\nHint: Bind it to 0.0.0.0. The loopback address of a container that you started cannot be reached; that of one that the bridge starts (image or build) can.`,
    })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['pod'])
  })

  test.skipIf(!hasGo)('images of one program, without a shell: built for the bridge, and running already', async ({ cluster }) => {
    await using go = await buildGoEcho()
    await writeFile(join(go.folder, 'Dockerfile'), 'FROM scratch\nCOPY echo /echo\nENTRYPOINT ["/echo", ":8080"]\n')
    {
      await using bridge = await cluster.bridge('deployment/shop', { build: go.folder, ports: { http: 8080 } })
      expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([''])
      expect(bridge.container!.getId()).toMatch(/^[0-9a-f]{64}$/)
    }
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['pod'])
    const built = await GenericContainer.fromDockerfile(go.folder).build()
    await using container = await built.withAutoCleanup(false).start()
    await using _bridge = await cluster.bridge('deployment/shop', { container, ports: { http: 8080 } })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual([''])
  })

  test('a local container without the port says so at once, with its log, and nothing is left', async ({ cluster }) => {
    const command = ['node', '-e', `require('node:http').createServer(() => {}).listen(4000)`]
    await expect(
      cluster.bridge('deployment/shop', { image: 'node:24-slim', command, ports: { http: 3000 }, timeout: 1_000 }),
    ).rejects.toMatchObject({
      code: 'ERR_BRIDGE_NOT_LISTENING',
      hint: expect.stringContaining('It listens on 4000'),
    })
    const broken = ['node', '-e', `console.error('no such setting'); process.exit(3)`]
    const ports = { http: 3000 }
    await expect(cluster.bridge('deployment/shop', { image: 'node:24-slim', command: broken, ports })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_LOCAL_FAILED',
      message: expect.stringContaining(
        'The local container for "deployment/shop" ended with exit code 3 before it listened on port 3000.\nno such setting\nHint: ',
      ),
    })
    const configure = (each: GenericContainer) => each.withWaitStrategy(Wait.forLogMessage('is up'))
    await expect(cluster.bridge('deployment/shop', { image: 'node:24-slim', command: broken, ports, configure })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_LOCAL_FAILED',
      message: expect.stringMatching(/"is up" was not received; the container ended with exit code 3\.\nno such setting$/),
    })
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['pod'])
    const containers = await (
      await connectDocker()
    ).engine.listContainers({ all: true, filters: { label: [`vitest-kubernetes.cluster=${cluster.name}`] } })
    expect(containers.map(({ Names }) => Names[0]).filter((each) => /member|onlooker/.test(each!))).toEqual([])
  })

  test('when the local side stops listening its callers are refused at once, and the bridge lives on', async ({ cluster }) => {
    const command = [
      'node',
      '-e',
      `
      const server = require('node:http').createServer((q, r) => {
        r.setHeader('connection', 'close').end('local')
        if (q.url === '/close') { server.close(() => setTimeout(() => server.listen(3000), 8000)) }
      }).listen(3000)`,
    ]
    await using _bridge = await cluster.bridge('deployment/shop', { image: 'node:24-slim', command, ports: { http: 3000 } })
    expect(await fetchInCluster(cluster, 'http://shop/close')).toEqual(['local'])
    const refused = await runInCluster<{ code: string; time: number }>(
      cluster,
      `const started = performance.now()
      return await fetch('http://shop/').then((r) => r.text()).then((code) => ({ code }), (error) => ({ code: error.cause.code, time: performance.now() - started }))`,
    )
    expect(refused.code).toMatch(/ECONNREFUSED|ECONNRESET/)
    expect(refused.time).toBeLessThan(5_000)
    await expect.poll(() => fetchInCluster(cluster, 'http://shop/').catch(String), { timeout: 30_000 }).toEqual(['local'])
  })

  test('cluster.run: a member that replaces nothing, with a workload’s environment', async ({ cluster }) => {
    await using member = await cluster.run({
      image: 'node:24-slim',
      command: ['node', '-e', 'setInterval(() => {}, 1000)'],
      env: { from: 'deployment/shop' },
    })
    const { output } = await member.container.exec(['node', '-e', `fetch(process.env.PEER_URL).then((r) => r.text()).then(console.log)`])
    expect(output.trim()).toBe('peer peer/path')
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['pod'])
  })

  test('a process on the host: environment, names of the cluster, loopback port, output, and a clean end', async ({ cluster }) => {
    const script = inspector
      .replace('process.env.PORT ?? 3000', '23001')
      .replace(/\.listen\((.*)\)\n/, ".listen($1, '127.0.0.1', () => console.log('pid', process.pid))\n")
      .replace('udp.bind(5353)', 'udp.unref()')
    await using bridge = await cluster.bridge('deployment/shop', { command: ['node', '-e', script], ports: { http: 23_001 } })
    expect(await fetchInCluster(cluster, 'http://shop/fetch?url=http://peer/x')).toEqual(['peer peer/x'])
    const env = JSON.parse((await fetchInCluster(cluster, 'http://shop/env'))[0]!) as Record<string, string>
    expect(env).toMatchObject({ ...values, PATH: process.env['PATH'], PEER_URL: 'http://peer/path' })
    const pid = Number(/pid (\d+)/.exec(await bridge.output())?.[1])
    expect(process.kill(pid, 0)).toBe(true)
    await expect(cluster.bridge('deployment/peer', { command: ['node', '-e', '0'], ports: { http: 23_001 } })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_LOCAL_FAILED',
      message: expect.stringContaining('Port 23001'),
    })
    await bridge[Symbol.asyncDispose]()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['pod'])
  })

  test('a process that is not Node.js gets addresses in place of the names', async ({ cluster }) => {
    const { port } = cluster.address('peer')
    await using bridge = await cluster.bridge('deployment/shop', {
      command: ['sh', '-c', `echo "url $PEER_URL"; exec node -e "require('node:http').createServer((q, r) => r.end('sh')).listen(23002)"`],
      ports: { http: 23_002 },
    })
    expect(await bridge.output()).toContain(`url http://127.0.0.1:${port}/path`)
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['sh'])
  })

  test('a process that ends before it listens is reported with what it printed', async ({ cluster }) => {
    const command = ['node', '-e', `console.error('no such setting'); process.exit(3)`]
    await expect(cluster.bridge('deployment/shop', { command, ports: { http: 23_003 } })).rejects.toThrow(
      /ended with exit code 3 before it listened on port 23003\.\nno such setting/,
    )
    await expect(cluster.bridge('deployment/shop', { command: ['/no/such/program'], ports: { http: 23_003 } })).rejects.toThrow(
      /could not be started/,
    )
  })

  test('code in this process reaches Services by name: fetch, http, net, http2, lookups; other names go their own way', async ({
    cluster,
  }) => {
    expect(await (await fetch('http://peer/a')).text()).toBe('peer peer/a')
    expect(await (await fetch('http://peer.default.svc.cluster.local/b')).text()).toBe('peer peer.default.svc.cluster.local/b')
    const { address } = await dns.promises.lookup('peer')
    expect(address).toMatch(/^127\.77\./)
    expect(await (await fetch(`http://${address}/c`)).text()).toBe(`peer ${address}/c`)
    await expect(fetch('http://peer:81/')).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    await expect(fetch('http://no-such-service.invalid/')).rejects.toMatchObject({
      cause: { code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) },
    })

    // h2c, through a bridge to a server here, by name.
    const server = http2.createServer().on('stream', (stream, headers) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(`h2 ${headers[':path']}`)
    })
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: server } })
    const session = http2.connect('http://shop')
    const streams = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const stream = session.request({ ':path': `/${index}` }).setEncoding('utf8')
        const trailers = once(stream, 'trailers')
        return [(await stream.toArray()).join(''), (await trailers)[0]['grpc-status']]
      }),
    )
    expect(streams).toEqual(Array.from({ length: 100 }, (_, index) => [`h2 /${index}`, '0']))
    session.close()
  })

  test('raw TCP: the server speaks first, half-closes are kept in both directions, and 20 MiB come back equal', async ({ cluster }) => {
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      socket.write('220 ready\r\n')
      socket.pipe(socket)
    })
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: server } })
    const result = await runInCluster<{ banner: string; time: number; equal: boolean }>(
      cluster,
      `const net = await import('node:net'), crypto = await import('node:crypto')
      const started = performance.now()
      const socket = net.connect({ host: 'shop', port: 80, allowHalfOpen: true })
      const chunks = []
      const banner = await new Promise((resolve) => socket.once('data', (data) => resolve(data.toString())))
      const time = performance.now() - started
      const sent = crypto.randomBytes(20 * 1024 * 1024)
      socket.on('data', (chunk) => chunks.push(chunk))
      socket.end(sent)
      await new Promise((resolve, reject) => socket.once('end', resolve).once('error', reject))
      return { banner, time, equal: Buffer.concat(chunks).equals(sent) }`,
    )
    expect(result).toMatchObject({ banner: '220 ready\r\n', equal: true })
    expect(result.time).toBeLessThan(5_000)
  })

  test('an upgrade, a stream of events, and a request in pieces pass as they are sent', async ({ cluster }) => {
    const gate = Promise.withResolvers<void>()
    await using _bridge = await cluster.bridge('deployment/shop', { server: { http: streamingServer(gate.promise) } })
    const { host, port } = cluster.address('shop')
    const response = await fetch(`http://${host}:${port}/events`)
    const reader = response.body!.getReader()
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('data: 1\n\n')
    gate.resolve()
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('data: 2\n\n')
    const upgraded = await runInCluster(
      cluster,
      `const http = await import('node:http')
      return await new Promise((resolve, reject) => http.request('http://shop/chat', { headers: { connection: 'Upgrade', upgrade: 'echo' } })
        .on('error', reject).on('upgrade', (_, socket) => { socket.once('data', (data) => resolve(data.toString())); socket.write('ping') }).end())`,
    )
    expect(upgraded).toBe('echo ping')
  })

  test('ports of a sidecar that listens on loopback are on the loopback of the local side, and nowhere else', async ({ cluster }) => {
    const sidecar = {
      name: 'sidecar',
      image: 'node:24-slim',
      command: [
        'node',
        '-e',
        `process.on('SIGTERM', () => process.exit(0)); require('node:http').createServer((q, r) => r.end('sidecar of ' + require('node:os').hostname())).listen(7011, '127.0.0.1')`,
      ],
    }
    await cluster.apply(nodeApp('paired', { sidecars: [sidecar] }))
    const ask = `require('node:http').createServer(async (q, r) => r.end(await fetch('http://127.0.0.1:7011').then((a) => a.text(), (error) => String(error.cause?.code)))).listen(Number(process.env.PORT))`
    const kubectl = (...args: string[]) =>
      connectDocker().then((docker) => execInContainer(docker, `k3d-${cluster.name}-server-0`, ['kubectl', ...args], { timeout: 60_000 }))
    const hostname = async () => (await cluster.exec('deployment/paired', ['hostname'], { container: 'app' })).stdout.trim()
    const first = await hostname()

    const container = await cluster.bridge('deployment/paired', {
      image: 'node:24-slim',
      command: ['node', '-e', ask],
      env: { set: { PORT: '3000' } },
      ports: { http: 3000 },
      fromPod: [7011],
    })
    expect(await fetchInCluster(cluster, 'http://paired/')).toEqual([`sidecar of ${first}`])
    await kubectl('delete', 'pod', first)
    await kubectl('rollout', 'status', 'deploy/paired')
    await expect
      .poll(async () => (await fetchInCluster(cluster, 'http://paired/'))[0], { timeout: 15_000 })
      .toBe(`sidecar of ${await hostname()}`)
    await container[Symbol.asyncDispose]()
    const second = await hostname()

    {
      await using _process = await cluster.bridge('deployment/paired', {
        command: ['node', '-e', ask],
        env: { set: { PORT: '23181' } },
        ports: { http: 23_181 },
        fromPod: [7011],
      })
      expect(await fetchInCluster(cluster, 'http://paired/')).toEqual([`sidecar of ${second}`])
      const [ip] = (await kubectl('get', 'pod', second, '-o', 'jsonpath={.status.podIP}')).split(' ')
      await expect(runInCluster(cluster, `await fetch('http://${ip}:7011')`)).rejects.toThrow(/ECONNREFUSED/)
    }

    const busy = createServer().listen(7011, '127.0.0.1')
    await once(busy, 'listening')
    const server = (_: unknown, response: import('node:http').ServerResponse) => void response.end('local')
    await expect(cluster.bridge('deployment/paired', { server, fromPod: [7011] })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_LOCAL_FAILED',
      message: expect.stringContaining('Port 7011 of the pods of "deployment/paired" cannot be forwarded to this machine'),
    })
    busy.close()
    await using _server = await cluster.bridge('deployment/paired', { server, fromPod: [7011] })
    expect(await (await fetch('http://127.0.0.1:7011')).text()).toBe(`sidecar of ${second}`)
    await expect(cluster.bridge('deployment/paired', { server, fromPod: [0] })).rejects.toMatchObject({ code: 'ERR_OPTIONS_INVALID' })
  })
})

/** Sends a second event when it is told to, and echoes what comes after an upgrade. */
function streamingServer(gate: Promise<void>) {
  return createServer(async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    await gate
    response.end('data: 2\n\n')
  }).on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.on('data', (data) => socket.write(`echo ${data}`))
    socket.on('error', () => socket.destroy())
  })
}

async function environmentOf(cluster: TestCluster, workload = 'deployment/shop'): Promise<Record<string, string>> {
  const { stdout } = await cluster.exec(workload, [
    'node',
    '-e',
    `process.stdout.write(JSON.stringify(require('node:fs').readFileSync('/proc/1/environ', 'utf8').split('\\0').filter(Boolean)))`,
  ])
  return Object.fromEntries(
    (JSON.parse(stdout) as string[]).map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  )
}
