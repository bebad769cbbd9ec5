import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'

import { GenericContainer } from 'testcontainers'
import { expect } from 'vitest'

import { connectDocker } from '../docker/docker.ts'
import { describe } from '../suite/describe.ts'
import { runCommand } from '../support/run-command.ts'
import { client, fetchInCluster, runInCluster, runInLocal } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { kubectl, podsOf } from '../testing/nodes.ts'
import { buildGoEcho, hasGo } from '../testing/programs.ts'

// Ports of host processes are below 32768, where Linux takes those of outgoing connections from (ip_local_port_range).
const idle = { image: 'node:24-slim', entrypoint: ['node', '-e', 'setInterval(() => {}, 1000)'] } as const

/** Answers, and fetches what it is asked to. */
const caller = `require('node:http').createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x').searchParams.get('url')
  response.end(url ? await fetch(url).then((answer) => answer.text(), (error) => error.cause.code) : 'local')
})`
const local = { image: 'node:24-slim', entrypoint: ['node', '-e', `${caller}.listen({ port: 3000, backlog: 4096 })`] } as const

/** Answers on TCP, and on UDP. */
const peer = nodeApp(
  'peer',
  {
    ports: [{ name: 'http', containerPort: 3000 }],
    service: {
      ports: [
        { name: 'http', port: 80, targetPort: 3000 },
        { name: 'echo', port: 5353, targetPort: 5353, protocol: 'UDP' },
      ],
    },
  },
  `process.on('SIGTERM', () => process.exit(0))
  const server = require('node:http').createServer((q, r) => r.end('peer'))
  server.keepAliveTimeout = 60_000
  server.listen({ port: 3000, backlog: 4096 })
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('message', (message, { port, address }) => socket.send(message, port, address)).bind(5353)`,
)

const external = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'external' },
  spec: { type: 'ExternalName', externalName: 'peer.default.svc.cluster.local' },
}

/** Two containers that have different things at the same path, and a volume that outlives the pod. */
const pair = nodeApp('pair', {
  container: {
    volumeMounts: [
      { name: 'app', mountPath: '/etc/own' },
      { name: 'disk', mountPath: '/data' },
    ],
    env: [{ name: 'WHO', value: 'app' }],
  },
  sidecars: [
    {
      name: 'sidecar',
      image: 'node:24-slim',
      command: ['node', '-e', `require('node:http').createServer((q, r) => r.end('sidecar of the pod')).listen(4000)`],
      ports: [{ name: 'side', containerPort: 4000 }],
      env: [{ name: 'WHO', value: 'sidecar' }],
      volumeMounts: [{ name: 'sidecar', mountPath: '/etc/own' }],
    },
  ],
  pod: {
    volumes: [
      { name: 'app', configMap: { name: 'pair', items: [{ key: 'app', path: 'who' }] } },
      { name: 'sidecar', configMap: { name: 'pair', items: [{ key: 'sidecar', path: 'who' }] } },
      { name: 'disk', persistentVolumeClaim: { claimName: 'disk' } },
    ],
  },
  service: {
    ports: [
      { name: 'http', port: 80, targetPort: 3000 },
      { name: 'side', port: 4000, targetPort: 'side' },
    ],
  },
})
const pairData = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'pair' }, data: { app: 'file of app', sidecar: 'file of sidecar' } },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'disk' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } },
  },
]

/** As user 12, with a token, a Secret and labels in one volume. */
const other = nodeApp('other', {
  container: {
    env: [{ name: 'TEST', value: 'mytest' }],
    volumeMounts: [{ name: 'all', mountPath: '/var/run/all' }],
    securityContext: { runAsUser: 12, runAsGroup: 12 },
  },
  pod: {
    securityContext: { fsGroup: 12 },
    volumes: [
      {
        name: 'all',
        projected: {
          defaultMode: 0o440,
          sources: [
            { secret: { name: 'keys' } },
            { serviceAccountToken: { path: 'token', expirationSeconds: 600 } },
            { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          ],
        },
      },
    ],
  },
})
const keys = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { password: 'hunter22' } }

const suite = {
  images: ['node:24-slim', 'busybox:1.37'],
  manifests: [
    client,
    ...nodeApp('shop'),
    ...nodeApp('closing'),
    ...peer,
    external,
    ...nodeApp('set', { kind: 'StatefulSet', replicas: 2, service: { clusterIP: 'None', ports: [{ name: 'http', port: 3000 }] } }),
    ...pairData,
    ...pair,
    keys,
    ...other,
  ],
  bridge: { 'deployment/shop': local },
} as const

describe.withCluster('outgoing', suite, (test) => {
  test('a Service without pods refuses at once, as often as it is asked, whoever asks', async ({ cluster, bridges }) => {
    await cluster.scale('deployment/closing', 0)
    const script = (url: string) => `const asked = []
      for (let i = 0; i < 12; i++) {
        const started = performance.now()
        const failure = await fetch('${url}', { signal: AbortSignal.timeout(5_000) }).then(() => 'none', (error) => error.cause?.code ?? error.name)
        asked.push([failure, performance.now() - started < 500])
      }
      return asked`
    const refused = Array.from({ length: 12 }, () => ['ECONNREFUSED', true])
    const ask = () => runInCluster(cluster, script('http://closing/'))
    expect(await ask()).toEqual(refused)
    expect(await runInLocal(bridges['deployment/shop'].container!, script('http://closing/'))).toEqual(refused)
    // Docker takes the connection before it asks the Service.
    const onHost = await runCommand(process.execPath, [
      '--input-type=module',
      '-e',
      `console.log(JSON.stringify(await (async () => { ${script(cluster.url('closing'))} })()))`,
    ])
    expect(JSON.parse(onHost)).toEqual(
      Array.from({ length: 12 }, () => [expect.stringMatching(/^(ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET)$/), true]),
    )
  })

  test('names resolve as in a pod: headless, single pods, ExternalName, SRV, PTR, TXT, absent ones, only IPv6', async ({
    cluster,
    bridges,
  }) => {
    const script = `const { promises: dns } = await import('node:dns')
      const domain = 'default.svc.cluster.local', results = {}
      const ask = async (name, question) => {
        const started = performance.now()
        const answer = await question().catch((error) => error.code)
        results[name] = Array.isArray(answer) ? answer.map((each) => each.address ?? each).map((each) => JSON.stringify(each)).sort() : answer
        results[name + ' in time'] = performance.now() - started < 4000
      }
      const addresses = await dns.resolve4('peer.' + domain)
      for (const name of ['set', 'set-0.set', 'set-1.set.default.svc', 'external', 'external.default.svc.cluster.local.', 'absent', 'absent.default.svc.cluster.local', 'a.b.c.d.e.f.g.cluster.local'])
        await ask(name, () => dns.lookup(name, { all: true }))
      await ask('IPv6', () => dns.lookup('peer', { family: 6 }))
      await ask('AAAA', () => dns.resolve6('peer.' + domain))
      await ask('A of all pods', () => dns.resolve4('set.' + domain))
      await ask('CNAME', () => dns.resolveCname('external.' + domain))
      await ask('SRV', () => dns.resolveSrv('_http._tcp.set.' + domain))
      await ask('PTR', () => dns.reverse(addresses[0]))
      await ask('TXT', () => dns.resolveTxt('dns-version.cluster.local'))
      return results`
    const inPod = await runInCluster<Record<string, unknown>>(cluster, script)
    const here = await runInLocal<Record<string, unknown>>(bridges['deployment/shop'].container!, script)
    expect(here).toEqual(inPod)
    const pods = (await podsOf(cluster, 'set')).map(({ status }) => JSON.stringify(status!.podIP)).toSorted()
    expect(here).toMatchObject({
      set: pods,
      'A of all pods': pods,
      absent: 'ENOTFOUND',
      'a.b.c.d.e.f.g.cluster.local': 'ENOTFOUND',
      IPv6: 'ENOTFOUND',
      AAAA: 'ENODATA',
      CNAME: ['"peer.default.svc.cluster.local"'],
      SRV: [expect.stringContaining('set-0.set'), expect.stringContaining('set-1.set')],
      PTR: ['"peer.default.svc.cluster.local"'],
      TXT: [expect.any(String)],
    })
    expect(Object.entries(here).filter(([name, value]) => name.endsWith('in time') && !value)).toEqual([])
  })

  test('a name outside of the cluster comes to the same as in a pod', async ({ cluster, bridges }) => {
    const script = `return await (await import('node:dns')).promises.lookup('example.com').then(() => 'resolved', (error) => error.code)`
    expect(await runInLocal(bridges['deployment/shop'].container!, script)).toBe(await runInCluster(cluster, script))
  })

  test('resolvers: busybox’s own, glibc by busybox’s wget', async ({ cluster }) => {
    await using member = await cluster.run({ image: 'busybox:1.37', command: ['sleep', '600'] })
    const address = await runInCluster(cluster, `return (await (await import('node:dns')).promises.lookup('peer')).address`)
    expect((await member.container.exec(['nslookup', 'peer.default.svc.cluster.local'])).output).toContain(address)
    expect((await member.container.exec(['wget', '-q', '-O-', 'http://peer.default/'])).output).toBe('peer')
  })

  test.skipIf(!hasGo)('resolvers: Go’s own', async ({ cluster }) => {
    await using go = await buildGoEcho()
    await using member = await cluster.run({ ...idle, mount: { [go.folder]: '/go' } })
    const names = ['peer', 'peer.default', 'set', 'set-0.set', 'external']
    const { stdout } = await member.container.exec(['/go/echo', 'lookup', ...names])
    const script = `const { promises: dns } = await import('node:dns')
      return Object.fromEntries(await Promise.all(${JSON.stringify(names)}.map(async (name) => [name, (await dns.lookup(name, { all: true })).map(({ address }) => address).sort()])))`
    expect(JSON.parse(stdout)).toEqual(await runInCluster(cluster, script))
  })

  test('UDP to a Service, by a connected socket and by one that is not', async ({ bridges }) => {
    const answers = await runInLocal(
      bridges['deployment/shop'].container!,
      `const dgram = await import('node:dgram'), { once } = await import('node:events')
      const plain = dgram.createSocket('udp4'), connected = dgram.createSocket('udp4'), big = 'x'.repeat(25_000)
      const hear = async (socket) => String((await once(socket, 'message', { signal: AbortSignal.timeout(10_000) }))[0])
      plain.send('plain', 5353, 'peer')
      const first = await hear(plain)
      await new Promise((resolve) => connected.connect(5353, 'peer', resolve))
      connected.send('connected')
      const second = await hear(connected)
      connected.send(big)
      return [first, second, (await hear(connected)) === big]`,
    )
    expect(answers).toEqual(['plain', 'connected', true])
  })

  test('2,000 connections to a Service at the same time, and 500 names a second for 4 s: no error', async ({ bridges }) => {
    const result = await runInLocal(
      bridges['deployment/shop'].container!,
      `const net = await import('node:net'), { promises: dns } = await import('node:dns'), { once } = await import('node:events')
      const sockets = [], result = { open: 0, answers: 0, names: 0, errors: {} }
      const note = (error) => { result.errors[error.code ?? error] = (result.errors[error.code ?? error] ?? 0) + 1 }
      for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 100 }, async () => {
        const socket = net.connect(80, 'peer')
        await once(socket, 'connect')
        sockets.push(socket.on('close', () => result.open--))
        result.open++
      }).map((each) => each.catch(note)))
      await Promise.all(sockets.map(async (socket) => {
        const data = once(socket, 'data', { signal: AbortSignal.timeout(20_000) })
        socket.write('GET / HTTP/1.1\\r\\nHost: peer\\r\\n\\r\\n')
        if (String((await data)[0]).endsWith('peer')) result.answers++
      }).map((each) => each.catch(note)))
      const asked = []
      for (let i = 0; i < 200; i++) {
        for (let j = 0; j < 10; j++) asked.push(dns.resolve4('peer.default.svc.cluster.local').then(() => result.names++, note))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      await Promise.all(asked)
      return result`,
    )
    expect(result).toEqual({ open: 2000, answers: 2000, names: 2000, errors: {} })
  })

  test('of two workloads that are bridged, one calls the other and itself, by name and by the address of a pod', async ({ cluster }) => {
    await using _peer = await cluster.bridge('deployment/peer', { server: { http: (_, response) => void response.end('peer here') } })
    const [pod] = await podsOf(cluster, 'peer')
    const ask = (url: string) => fetchInCluster(cluster, `http://shop/?url=${encodeURIComponent(url)}`)
    expect(await ask('http://peer/')).toEqual(['peer here'])
    expect(await ask(`http://${pod!.status!.podIP}:3000/`)).toEqual(['peer here'])
    expect(await ask('http://shop/')).toEqual(['local'])
  })

  test.for([
    ['code in this process', { server: { http: callHere } }],
    ['a process on this machine', { command: ['node', '-e', `${caller}.listen(24011)`], ports: { http: 24_011 } }],
  ] as const)('%s calls another bridged workload, itself and a pod by name, and ten hosts outside', async ([, side], { cluster }) => {
    await using outside = await listenOutside(10)
    await using _bridge = await cluster.bridge('deployment/pair', { ...side, containerName: 'app' })
    const ask = (url: string) => fetchInCluster(cluster, `http://pair/?url=${encodeURIComponent(url)}`)
    expect(await ask('http://shop/')).toEqual(['local'])
    expect(await ask('http://pair/')).toEqual(['local'])
    expect(await ask('http://peer/')).toEqual(['peer'])
    for (const [index, url] of outside.urls.entries()) expect(await ask(url)).toEqual([`outside ${index}`])
  })

  test('a local container reaches ten hosts outside', async ({ bridges }) => {
    await using outside = await listenOutside(10)
    const ask = `return await Promise.all(${JSON.stringify(outside.urls)}.map(async (url) => (await fetch(url)).text()))`
    const answers = await runInLocal<string[]>(bridges['deployment/shop'].container!, ask)
    expect(answers).toEqual(outside.urls.map((_, index) => `outside ${index}`))
  })

  test('extra hosts are refused by Docker for a container that shares the cluster’s network, and the error says so', async ({
    cluster,
  }) => {
    const run = cluster.run({ ...idle, configure: (container) => container.withExtraHosts([{ host: 'peer', ipAddress: '127.0.0.1' }]) })
    await expect(run).rejects.toMatchObject({ code: 'ERR_BRIDGE_LOCAL_FAILED', message: expect.stringContaining('host-to-IP mapping') })
  })

  test('a container in the same Docker network with the name of a Service does not hide it', async ({ cluster, bridges }) => {
    const name = process.env['VITEST_KUBERNETES_IMAGES']?.match(/node=([^,]+)/)?.[1] ?? 'node:24-slim'
    await using container = await new GenericContainer(name)
      .withAutoCleanup(false)
      .withCommand(['node', '-e', `require('node:http').createServer((q, r) => r.end('a stranger')).listen(80)`])
      .start()
    const network = (await connectDocker()).engine.getNetwork(cluster.name)
    await network.connect({ Container: container.getId(), EndpointConfig: { Aliases: ['peer'] } })
    const ask = `return await (await fetch('http://peer/')).text()`
    expect(await runInLocal(bridges['deployment/shop'].container!, ask)).toBe('peer')
  })

  test('of two containers with different files at the same path each is replaced by its own, one after the other', async ({ cluster }) => {
    const script = (port: number) =>
      `require('node:http').createServer((q, r) => r.end(process.env.WHO + ', ' + require('node:fs').readFileSync('/etc/own/who'))).listen(${port})`
    const side = (port: number) => ({ image: 'node:24-slim', entrypoint: ['node', '-e', script(port)] })
    {
      await using _bridge = await cluster.bridge('deployment/pair', { ...side(3000), containerName: 'app' })
      expect(await fetchInCluster(cluster, 'http://pair/')).toEqual(['app, file of app'])
      expect(await fetchInCluster(cluster, 'http://pair:4000/')).toEqual(['sidecar of the pod'])
    }
    await using _bridge = await cluster.bridge('deployment/pair', { ...side(4000), containerName: 'sidecar' })
    expect(await fetchInCluster(cluster, 'http://pair:4000/')).toEqual(['sidecar, file of sidecar'])
    expect(await fetchInCluster(cluster, 'http://pair/')).toEqual([expect.stringMatching(/^pod pair-/)])
  })

  test('a persistent volume is copied as it is at the start, whole folders with links and modes', async ({ cluster }) => {
    const make =
      'mkdir -p /data/deep/er && echo kept > /data/deep/er/file && chmod 640 /data/deep/er/file && ln -sf er/file /data/deep/link'
    await cluster.exec('deployment/pair', ['sh', '-c', make], { container: 'app' })
    await using member = await cluster.run({ ...idle, env: { from: 'deployment/pair' }, containerName: 'app' })
    const { stdout } = await member.container.exec([
      'sh',
      '-c',
      'cat /data/deep/link; readlink /data/deep/link; stat -c %a /data/deep/er/file',
    ])
    expect(stdout).toBe('kept\ner/file\n640\n')
  })

  test('a local container of another namespace looks for names there first', async ({ cluster }) => {
    await using member = await cluster.run({ ...idle, namespace: 'kube-system' })
    const { stdout } = await member.container.exec(['cat', '/etc/resolv.conf'])
    expect(stdout).toMatch(/^search kube-system\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m)
  })

  test('a pod of another user: its environment and files are read, and a Secret and labels that change come anew', async ({ cluster }) => {
    await using member = await cluster.run({ ...idle, env: { from: 'deployment/other' } })
    const here = async (path: string) => (await member.container.exec(['cat', `/var/run/all/${path}`])).stdout
    const inPod = async (path: string) => (await cluster.exec('deployment/other', ['cat', `/var/run/all/${path}`])).stdout
    expect((await cluster.exec('deployment/other', ['id', '-u'])).stdout).toBe('12\n')
    expect((await member.container.exec(['sh', '-c', 'echo $TEST'])).stdout).toBe('mytest\n')
    for (const path of ['password', 'token', 'labels']) expect(await here(path), path).toBe(await inPod(path))

    await cluster.apply({ ...keys, stringData: { password: 'hunter23' } })
    // kubelet looks at a pod's volumes once a minute, and at once when the pod changes.
    await kubectl(cluster, 'label pod -l app=other look=again --overwrite')
    await expect.poll(() => inPod('password'), { timeout: 90_000, interval: 500 }).toBe('hunter23')
    await expect.poll(() => here('password'), { timeout: 10_000 }).toBe('hunter23')
    await expect.poll(() => here('labels'), { timeout: 10_000 }).toContain('look="again"')
    expect(await here('token')).toBe(await inPod('token'))
  })

  test('of two local containers one is removed by hand, and the other goes on', async ({ cluster }) => {
    const first = await cluster.run(idle)
    await using second = await cluster.run(idle)
    const { engine } = await connectDocker()
    const facts = await engine.getContainer(second.container.getId()).inspect()
    expect(facts.HostConfig.PidMode).toBe('')
    await engine.getContainer(first.container.getId()).remove({ force: true })
    expect(await runInLocal(second.container, `return await (await fetch('http://peer/')).text()`)).toBe('peer')
    await first[Symbol.asyncDispose]()
    expect(await runInLocal(second.container, `return await (await fetch('http://peer/')).text()`)).toBe('peer')
  })
})

/** What `caller` does, here. */
async function callHere({ url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const wanted = new URL(url, 'http://x').searchParams.get('url')
  response.end(wanted ? await (await fetch(wanted)).text() : 'local')
}

/** Servers at an address of this machine that is neither in the cluster nor in its network: as good as public ones. */
async function listenOutside(count: number): Promise<{ readonly urls: readonly string[] } & AsyncDisposable> {
  const host = Object.entries(networkInterfaces())
    .flatMap(([name, addresses = []]) => (/^(br-|veth)/.test(name) ? [] : addresses))
    .find(({ family, internal }) => family === 'IPv4' && !internal)!.address
  const servers = Array.from({ length: count }, (_, index) => createServer((_request, response) => void response.end(`outside ${index}`)))
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, host, resolve))))
  return {
    urls: servers.map((server) => `http://${host}:${(server.address() as AddressInfo).port}/`),
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) server.close()
    },
  }
}
