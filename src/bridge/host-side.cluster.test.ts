import { type Socket, createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile, readdir, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'

import { expect } from 'vitest'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { describe } from '../suite/describe.ts'
import { client, fetchInCluster, runInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'

const config = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings' },
  data: { 'app.json': '{"color":"blue"}', LEVEL: 'info' },
}
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { token: 's3cret\nline' } }
const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } },
}

/** Has a file from everywhere that a pod can, and links as programs make them. */
const shop = nodeApp(
  'shop',
  {
    ports: [
      { name: 'http', containerPort: 3000 },
      { name: 'echo', containerPort: 5353, protocol: 'UDP' },
      { name: 'echo-tcp', containerPort: 5353 },
    ],
    container: {
      env: [{ name: 'FROM_SECRET', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } }],
      envFrom: [{ configMapRef: { name: 'settings' }, prefix: 'CM_' }],
      volumeMounts: [
        { name: 'settings', mountPath: '/etc/settings' },
        { name: 'settings', mountPath: '/etc/single/app.json', subPath: 'app.json' },
        { name: 'keys', mountPath: '/var/run/keys', readOnly: true },
        { name: 'scratch', mountPath: '/scratch' },
        { name: 'about', mountPath: '/etc/about' },
        { name: 'data', mountPath: '/data' },
      ],
    },
    sidecars: [
      {
        name: 'sidecar',
        image: 'node:24-slim',
        command: ['node', '-e', 'setInterval(() => {}, 1000)'],
        env: [{ name: 'WHO', value: 'sidecar' }],
        volumeMounts: [{ name: 'keys', mountPath: '/etc/settings' }],
      },
    ],
    pod: {
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
        { name: 'scratch', emptyDir: {} },
        {
          name: 'about',
          projected: {
            sources: [
              { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
              { serviceAccountToken: { path: 'token', audience: 'shop' } },
            ],
          },
        },
        { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
      ],
    },
    service: {
      ports: [
        { name: 'http', port: 80, targetPort: 3000 },
        { name: 'echo', port: 5353, targetPort: 5353, protocol: 'UDP' },
        { name: 'echo-tcp', port: 5353, targetPort: 5353 },
      ],
    },
  },
  `const fs = require('node:fs')
  process.on('SIGTERM', () => process.exit(0))
  fs.writeFileSync('/scratch/written', 'by the pod')
  fs.mkdirSync('/data/v1/private', { recursive: true })
  fs.writeFileSync('/data/v1/file', 'kept')
  fs.writeFileSync('/data/v1/private/file', 'hidden')
  fs.chmodSync('/data/v1/private', 0o500)
  for (const [to, from] of [['/data/v1', '/data/current'], ['current', '/data/latest'], ['/etc/hostname', '/data/hostname'], ['/etc/settings/app.json', '/data/app.json']])
    try { fs.symlinkSync(to, from) } catch (error) { if (error.code !== 'EEXIST') throw error }
  require('node:http').createServer((q, r) => r.end('pod')).listen(3000)`,
)

const account = '/var/run/secrets/kubernetes.io/serviceaccount'
const files = [
  '/etc/settings/app.json',
  '/etc/single/app.json',
  '/var/run/keys/token',
  '/scratch/written',
  '/etc/about/labels',
  '/etc/about/token',
  '/data/v1/private/file',
  '/data/current/file',
  '/data/latest/file',
  '/data/app.json',
  `${account}/token`,
  `${account}/ca.crt`,
]
const command = ['node', '../../fixtures/services/orders/server.mjs']
const server = () => {}

describe.withCluster('host side', { images: ['node:24-slim'], manifests: [client, config, secret, claim, ...shop] }, (test) => {
  test('a process has the files of the container in a folder of its own, at their paths, as long as the bridge lives', async ({
    cluster,
  }) => {
    const bridge = await cluster.bridge('deployment/shop', {
      command,
      containerName: 'app',
      ports: { http: 23_111 },
      env: { set: { PORT: '23111' } },
    })
    const env = JSON.parse((await fetchInCluster(cluster, 'http://shop/'))[0]!) as Record<string, string>
    expect(env['VITEST_KUBERNETES_ROOT']).toBe(bridge.root)
    for (const path of files) {
      const original = (await cluster.exec('deployment/shop', ['cat', path], { container: 'app' })).stdout
      expect(await fetchInCluster(cluster, `http://shop/file?path=${path}`), path).toEqual([original])
    }
    // A link to what is not mounted leads nowhere, and not to this machine's own.
    expect(await fetchInCluster(cluster, 'http://shop/file?path=/data/hostname')).toEqual([expect.stringContaining('ENOENT')])
    expect((await stat(bridge.root!)).mode & 0o777).toBe(0o700)
    expect(await readdir(bridge.root!)).toEqual(expect.arrayContaining(['data', 'etc', 'scratch', 'var']))
    await bridge[Symbol.asyncDispose]()
    await expect(stat(bridge.root!)).rejects.toThrow('ENOENT')
  })

  test('a ConfigMap that changes in the pod changes on this machine', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', { server: { http: server }, containerName: 'app', files: true })
    const read = () => readFile(join(bridge.root!, '/etc/settings/app.json'), 'utf8')
    expect(await read()).toContain('blue')
    await cluster.apply({ ...config, data: { ...config.data, 'app.json': '{"color":"red"}' } })
    // kubelet looks at a pod's ConfigMaps once a minute, and at once when the pod changes.
    await kubectl(cluster, ['annotate', 'pod', '-l', 'app=shop', 'look=again', '--overwrite'])
    await expect.poll(read, { timeout: 90_000, interval: 250 }).toContain('red')
    await cluster.apply(config)
  })

  test('the environment of the container is at hand for every kind of local side, and before there is one', async ({ cluster }) => {
    const own = { FROM_SECRET: 's3cret\nline', CM_LEVEL: 'info' }
    const select = { include: ['CM_LEVEL', 'FROM_*', 'NODE_VERSION'], exclude: ['NODE_*'], set: { NEW: '1' } }
    const app = { containerName: 'app', env: select }
    {
      await using bridge = await cluster.bridge('deployment/shop', { ...app, server: { http: server } })
      expect([await bridge.env(), bridge.root]).toEqual([{ ...own, NEW: '1' }, undefined])
    }
    {
      const env = { ...select, set: { NEW: '1', PORT: '23112' } }
      const process = { command: ['node', 'server.mjs'], cwd: '../../fixtures/services/orders' }
      const options = { ...app, ...process, env, ports: { http: 23_112 }, files: false }
      await using bridge = await cluster.bridge('deployment/shop', options)
      expect([await bridge.env(), bridge.root]).toEqual([{ ...own, NEW: '1', PORT: '23112' }, undefined])
      expect(JSON.parse((await fetchInCluster(cluster, 'http://shop/'))[0]!)).not.toHaveProperty('VITEST_KUBERNETES_ROOT')
    }
    {
      const listen = ['node', '-e', `require('node:http').createServer(() => {}).listen(3000)`]
      await using bridge = await cluster.bridge('deployment/shop', {
        ...app,
        image: 'node:24-slim',
        command: listen,
        ports: { http: 3000 },
      })
      expect([await bridge.env(), bridge.root]).toEqual([{ ...own, NEW: '1' }, undefined])
    }
    expect(await cluster.env('deployment/shop', { containerName: 'app', ...select })).toEqual({ ...own, NEW: '1' })
    const whole = await cluster.env('service/shop', { containerName: 'app' })
    expect(whole).toMatchObject({ ...own, 'CM_app.json': '{"color":"blue"}' })
    expect(whole).not.toHaveProperty('PATH')
    expect(await cluster.env('deployment/shop', { containerName: 'sidecar', include: ['WHO', 'CM_*'] })).toEqual({ WHO: 'sidecar' })
  })

  test('of two containers with the same path each has its own file', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', {
      containerName: 'sidecar',
      server: { '8080/tcp': server },
      files: true,
    })
    // Beside it stand the links by which kubelet changes a volume as a whole.
    expect((await readdir(join(bridge.root!, 'etc/settings'))).filter((name) => !name.startsWith('..'))).toEqual(['token'])
    expect(await bridge.env()).toMatchObject({ WHO: 'sidecar' })
  })

  test('what cannot be is refused at once', async ({ cluster }) => {
    await cluster.apply(nodeApp('sleeper', { replicas: 0 }).slice(0, 1))
    await expect(cluster.env('deployment/sleeper')).rejects.toMatchObject({ code: 'ERR_BRIDGE_NO_PODS' })
    await expect(cluster.env('deployment/shopp')).rejects.toMatchObject({ code: 'ERR_KUBE_NOT_FOUND' })
    await expect(cluster.env('deployment/shop', { containerName: 'web' })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_CONTAINER_NOT_FOUND',
      hint: 'It has "app" and "sidecar".',
    })
    await expect(cluster.env('deployment/shop', { include: 'DB_*' } as never)).rejects.toThrow(
      'Expected option `env.include` to be an array of names, got "DB_*" (string).',
    )
    await expect(cluster.bridge('deployment/shop', { server, files: 'yes' } as never)).rejects.toThrow(
      'Expected option `files` to be a boolean or "all", got "yes" (string).',
    )
    await using bridge = await cluster.bridge('deployment/sleeper', { server, files: true, env: { set: { ONLY: 'this' } } })
    expect(await bridge.env()).toEqual({ ONLY: 'this' })
    expect(await readdir(bridge.root!)).toEqual([])
  })

  test('a bridge that waits holds up neither what is asked of other workloads nor a time-out', async ({ cluster }) => {
    const started = performance.now()
    const waits = { command: ['sleep', '60'], containerName: 'app', ports: { http: 23_113 }, timeout: 20_000 }
    const waiting = cluster.bridge('deployment/shop', waits).catch((error: Error) => error)
    const never = nodeApp('never', { container: { readinessProbe: { exec: { command: ['false'] } } } }).slice(0, 1)
    const late = cluster.apply(never, { timeout: 4_000 }).catch((error: Error) => error)
    expect(await cluster.env('deployment/shop', { containerName: 'sidecar', include: ['WHO'] })).toEqual({ WHO: 'sidecar' })
    expect(await late).toMatchObject({ code: 'ERR_WORKLOAD_NOT_READY' })
    expect(performance.now() - started).toBeLessThan(15_000)
    await kubectl(cluster, ['delete', 'deployment/never', '--wait=false'])
    expect(await waiting).toMatchObject({ code: 'ERR_BRIDGE_NOT_LISTENING' })
  })

  test('of two bridges that start at the same time for the same port one is refused', async ({ cluster }) => {
    const start = () => cluster.bridge('deployment/shop', { server: { http: server }, containerName: 'app' })
    const results = await Promise.allSettled([start(), start()])
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    for (const each of results) {
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'ERR_BRIDGE_ALREADY_BRIDGED' })
      else await each.value[Symbol.asyncDispose]()
    }
  })

  test('the environment of a bridge is that of its start, also when it is asked for after a rollout', async ({ cluster }) => {
    await cluster.apply(nodeApp('rolled', { container: { env: [{ name: 'COLOR', value: 'blue' }] } }))
    await using bridge = await cluster.bridge('deployment/rolled', { server })
    await kubectl(cluster, ['set', 'env', 'deployment/rolled', 'COLOR=red'])
    await kubectl(cluster, ['rollout', 'status', 'deployment/rolled'])
    expect(await bridge.env()).toMatchObject({ COLOR: 'blue' })
    expect(await cluster.env('deployment/rolled')).toMatchObject({ COLOR: 'red' })
  })

  test('a large volume is left where it is unless all are asked for', async ({ cluster }) => {
    const size = 101e6
    const volumes = ['big', 'small'].map((name) => ({ name, emptyDir: {} }))
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/volumes/${name}` }))
    const script = `const fs = require('node:fs')
    fs.writeFileSync('/volumes/small/file', 'small')
    fs.writeFileSync('/volumes/big/file', '')
    fs.truncateSync('/volumes/big/file', ${size})
    require('node:http').createServer((q, r) => r.end('pod')).listen(3000)`
    await cluster.apply(nodeApp('heavy', { container: { volumeMounts }, pod: { volumes } }, script))
    {
      await using bridge = await cluster.bridge('deployment/heavy', { server, files: true })
      expect(await readdir(join(bridge.root!, 'volumes'))).toEqual(['small'])
    }
    {
      await using bridge = await cluster.bridge('deployment/heavy', { server, files: 'all' })
      expect((await stat(join(bridge.root!, 'volumes/big/file'))).size).toBe(size)
    }
    const listen = ['node', '-e', `require('node:http').createServer(() => {}).listen(3000)`]
    await using bridge = await cluster.bridge('deployment/heavy', { image: 'node:24-slim', command: listen, files: 'all' })
    const { output } = await bridge.container!.exec(['stat', '-c', '%s', '/volumes/big/file', '/volumes/small/file'])
    expect(output.trim().split('\n')).toEqual([String(size), '5'])
  })

  test('a container that crashes all the time can be bridged, though there is no moment to read its environment', async ({ cluster }) => {
    const { spec } = await cluster.get<{ spec: { template: { spec: { containers: [{ image: string }] } } } }>('deployment/client')
    const { image } = spec.template.spec.containers[0]
    await kubectl(cluster, ['create', 'deployment', 'crash', `--image=${image}`, '--port=3000', '--', 'node', '-e', 'process.exit(1)'])
    await kubectl(cluster, ['expose', 'deployment', 'crash', '--port=80', '--target-port=3000'])
    for (let i = 0; i < 5; i++) {
      await using bridge = await cluster.bridge('deployment/crash', { server: (_, response) => void response.end('local') })
      await expect.poll(() => bridge.pods(), { timeout: 20_000 }).toHaveLength(1)
    }
    await kubectl(cluster, ['delete', 'deployment/crash', 'service/crash'])
  })

  test('UDP for a socket of this process: small and fragmented datagrams, two answers to one, many clients, 1,000 in sequence', async ({
    cluster,
  }) => {
    const socket = echo(createSocket('udp4'))
    const bridge = await cluster.bridge('deployment/shop', { server: { 5353: socket }, containerName: 'app' })
    expect(bridge.ports).toEqual([5353])
    const result = await runInCluster<unknown>(
      cluster,
      `${askByUdp}
      const big = 'y'.repeat(25_000)
      const many = await Promise.all(Array.from({ length: 50 }, (_, i) => ask('client number ' + i, 1)))
      const one = dgram.createSocket('udp4'), answers = []
      for (let i = 0; i < 1000; i++) {
        one.send('number ' + i + ' of a thousand', 5353, 'shop')
        answers.push(await new Promise((resolve) => one.once('message', (answer) => resolve(answer.toString()))))
      }
      one.close()
      return {
        small: await ask('hi', 2),
        big: (await ask(big, 1))[0] === big,
        many: many.every(([text], i) => text === 'client number ' + i),
        sequence: answers.every((text, i) => text === 'number ' + i + ' of a thousand'),
      }`,
    )
    expect(result).toEqual({ small: ['hi', 'again'], big: true, many: true, sequence: true })
    await bridge[Symbol.asyncDispose]()
    expect(() => socket.address()).toThrow('Not running')
  })

  test('a socket for all addresses is used as it is, beside a TCP server on a port of the same number', async ({ cluster }) => {
    const socket = echo(createSocket('udp4').bind(0))
    try {
      const tcp = createServer((connection) => connection.end('by TCP'))
      const bridge = await cluster.bridge('deployment/shop', { server: { echo: socket, 5353: tcp }, containerName: 'app' })
      const result = await runInCluster(
        cluster,
        `${askByUdp}
        const net = await import('node:net')
        const tcp = await new Promise((resolve, reject) => net.connect(5353, 'shop').once('data', (data) => resolve(data.toString())).once('error', reject))
        return [tcp, ...await ask('by UDP', 2)]`,
      )
      expect(result).toEqual(['by TCP', 'by UDP', 'again'])
      await bridge[Symbol.asyncDispose]()
      expect(socket.address().address).toBe('0.0.0.0')
    } finally {
      socket.close()
    }
  })

  test('UDP on loopback alone: a local container is reached, a process is told', async ({ cluster }) => {
    const listen = (port: number) => [
      'node',
      '-e',
      `const socket = require('node:dgram').createSocket('udp4').bind(${port}, '127.0.0.1')
      socket.on('message', (message, { port, address }) => socket.send('from loopback', port, address))`,
    ]
    {
      await using _bridge = await cluster.bridge('deployment/shop', {
        image: 'node:24-slim',
        command: listen(5353),
        ports: { echo: 5353 },
        containerName: 'app',
      })
      expect(await runInCluster(cluster, `${askByUdp}\nreturn await ask('anyone?', 1)`)).toEqual(['from loopback'])
    }
    await expect(
      cluster.bridge('deployment/shop', { command: listen(23_113), ports: { echo: 23_113 }, containerName: 'app' }),
    ).rejects.toMatchObject({ code: 'ERR_BRIDGE_NOT_LISTENING', message: expect.stringContaining('port 23113 only on loopback') })
  })

  test('an image that nobody has is reported, and nothing that was started beside it is left', async ({ cluster }) => {
    await expect(cluster.bridge('deployment/shop', { image: 'localhost:1/absent:1', containerName: 'app' })).rejects.toMatchObject({
      code: 'ERR_IMAGE_NOT_FOUND',
    })
    const filters = { label: [`vitest-kubernetes.cluster=${cluster.name}`] }
    const containers = await (await connectDocker()).engine.listContainers({ all: true, filters })
    expect(containers.map(({ Names }) => Names[0]).filter((name) => name!.includes('member'))).toEqual([])
  })

  test('a socket that nobody else can reach, and a server for the other protocol, are refused', async ({ cluster }) => {
    const bound = createSocket('udp4').bind(0, '127.0.0.1')
    await once(bound, 'listening')
    const bridge = (servers: Record<string, Socket | typeof server>) =>
      cluster.bridge('deployment/shop', { server: servers, containerName: 'app' })
    await expect(bridge({ echo: bound })).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      message: expect.stringContaining('to be unbound or bound to all addresses, got one bound to 127.0.0.1:'),
    })
    await expect(bridge({ http: bound })).rejects.toMatchObject({
      code: 'ERR_BRIDGE_PORT_NOT_FOUND',
      message: expect.stringContaining('Port "http" (3000) of "deployment/shop" is TCP, and the server for it takes datagrams.'),
    })
    await expect(bridge({ echo: server })).rejects.toThrow('is UDP, and the server for it takes connections.')
    bound.close()
    expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['pod'])
  })
})

/** Answers short messages two times. */
function echo(socket: Socket): Socket {
  return socket.on('message', (message, { port, address }) => {
    socket.send(message, port, address)
    if (message.length < 10) socket.send('again', port, address)
  })
}

const askByUdp = `const dgram = await import('node:dgram')
const ask = (message, answers) => new Promise((resolve, reject) => {
  const socket = dgram.createSocket('udp4'), got = []
  const timer = setTimeout(() => reject(new Error('no answer to ' + message.length)), 5000)
  socket.on('message', (answer) => { got.push(answer.toString()); if (got.length === answers) { clearTimeout(timer); socket.close(); resolve(got) } })
  socket.send(message, 5353, 'shop')
})`

async function kubectl(cluster: TestCluster, command: readonly string[]): Promise<string> {
  return execInContainer(await connectDocker(), `k3d-${cluster.name}-server-0`, ['kubectl', ...command], { timeout: 60_000 })
}
