import { setTimeout as sleep } from 'node:timers/promises'

import { expect } from 'vitest'

import { connectDocker } from '../../docker/docker.ts'
import { describe } from '../../suite/describe.ts'
import { client, fetchInCluster, runInLocal } from '../../testing/in-cluster.ts'
import { nodeApp } from '../../testing/node-app.ts'
import { kubectl } from '../../testing/nodes.ts'

const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`)
const settings = (version: string, names: readonly string[]) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings' },
  data: Object.fromEntries(names.map((name) => [name, version])),
})
const first = settings('0', [...keys, 'gone'])
const keySecret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { password: 'hunter22' } }

/** Has files in each other's folders, and a name and aliases of its own. */
const shop = nodeApp('shop', {
  container: {
    volumeMounts: [
      { name: 'var', mountPath: '/var' },
      { name: 'settings', mountPath: '/etc/settings' },
      { name: 'keys', mountPath: '/etc/settings/private/' },
      { name: 'settings', mountPath: '/etc/one', subPath: 'key-0' },
      { name: 'about', mountPath: '/var/run/about' },
    ],
  },
  pod: {
    hostname: 'front',
    subdomain: 'shops',
    hostAliases: [{ ip: '10.9.8.7', hostnames: ['legacy', 'legacy.corp.example'] }],
    dnsConfig: { searches: ['peers.svc.cluster.local'], options: [{ name: 'ndots', value: '3' }] },
    volumes: [
      { name: 'var', emptyDir: {} },
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
      {
        name: 'about',
        projected: {
          sources: [
            { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
            { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          ],
        },
      },
    ],
  },
})
/** As strict as a pod can be, with a command of its own. */
const locked = nodeApp('locked', {
  container: {
    args: ['ignored'],
    securityContext: {
      ...{ runAsNonRoot: true, runAsUser: 10_001, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
      capabilities: { drop: ['ALL'] },
    },
    resources: { limits: { memory: '64Mi' } },
  },
})
const alone = nodeApp('alone', { pod: { dnsPolicy: 'None', dnsConfig: { nameservers: ['10.43.0.10'], searches: ['nowhere.example'] } } })
const nodes = nodeApp('nodes', { pod: { dnsPolicy: 'Default', setHostnameAsFQDN: true } })
const peer = nodeApp('peer')
const peers = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'peers' } },
  ...nodeApp('far').map((object) => ({ ...object, metadata: { ...object.metadata, namespace: 'peers' } })),
]

/** Does what it is asked by scripts, and answers. */
const local = {
  image: 'node:24-slim',
  entrypoint: ['node', '-e', `require('node:http').createServer((q, r) => r.end('local')).listen(3000)`],
} as const
/** Fetches what it is asked for. */
const fetcher = `require('node:http').createServer(async (q, r) => {
  try { r.end(await (await fetch(new URL(q.url, 'http://x').searchParams.get('url'))).text()) } catch (error) { r.end(String(error.cause?.code ?? error)) }
}).listen(23131)`

const manifests = [client, keySecret, first, ...shop, ...locked, ...alone, ...nodes, ...peer, ...peers]

describe.withCluster('sides', { images: ['node:24-slim'], manifests }, (test) => {
  test('a Service that comes again with another address, changes, goes, or is made by kubectl in any namespace is followed', async ({
    cluster,
  }) => {
    await using _process = await cluster.bridge('deployment/shop', { command: ['node', '-e', fetcher], ports: { http: 23_131 } })
    await using member = await cluster.run({ image: 'node:24-slim', entrypoint: ['node', '-e', 'setInterval(() => {}, 1000)'] })
    const everywhere = (host: string) =>
      Promise.all([
        fetch(`http://${host}/`).then(async (response) => response.text()),
        fetchInCluster(cluster, `http://shop/?url=http://${host}/`).then(([text]) => text!),
        runInLocal<string>(member.container, `return (await fetch('http://${host}/', { signal: AbortSignal.timeout(1000) })).text()`),
      ])
    const reached = [expect.stringMatching(/^pod /), expect.stringMatching(/^pod /), expect.stringMatching(/^pod /)]
    // The names that CoreDNS has answered stay so for 5 s (`ttl`, CoreDNS's plugin kubernetes), and the machine may be busy.
    const soon = { timeout: 20_000, interval: 50 }

    const url = cluster.url('peer')
    const before = await kubectl(cluster, 'get service peer -o jsonpath={.spec.clusterIP}')
    await kubectl(cluster, 'delete service peer')
    await expect.poll(() => errorOf(() => cluster.url('peer')), soon).toBe('ERR_SERVICE_NOT_FOUND')
    await kubectl(cluster, 'expose deployment peer --port=80 --target-port=3000')
    expect(await kubectl(cluster, 'get service peer -o jsonpath={.spec.clusterIP}')).not.toBe(before)
    await expect.poll(() => errorOf(() => cluster.url('peer')), soon).toBe(url)
    await expect.poll(() => everywhere('peer'), soon).toEqual(reached)

    await kubectl(cluster, 'create namespace later')
    await kubectl(cluster, 'create service externalname late -n later --external-name=far.peers.svc.cluster.local')
    await kubectl(cluster, 'expose deployment far -n peers --name=late --port=8080 --target-port=3000')
    await expect.poll(() => errorOf(() => cluster.url('late.peers')), soon).toMatch(/^http/)
    await expect.poll(() => everywhere('late.peers:8080'), soon).toEqual(reached)
    await kubectl(cluster, `patch service late -n peers --type=json -p=[{"op":"replace","path":"/spec/ports/0/port","value":9090}]`)
    await expect.poll(() => errorOf(() => cluster.url('late.peers', 9090)), soon).toMatch(/^http/)
    await expect.poll(() => everywhere('late.peers:9090'), soon).toEqual(reached)
    expect(errorOf(() => cluster.url('late.peers', 8080))).toBe('ERR_SERVICE_NOT_FOUND')
  })

  test('a headless Service leads to a pod that is there, and is refused while there is none', async ({ cluster }) => {
    await kubectl(cluster, 'expose deployment peer --name=direct --port=3000 --cluster-ip=None')
    const soon = { timeout: 10_000, interval: 50 }
    const get = async () => {
      try {
        return await (await fetch(cluster.url('direct'), { headers: { connection: 'close' } })).text()
      } catch (error) {
        return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? (error as Error).message
      }
    }
    await expect.poll(get, soon).toMatch(/^pod peer-/)
    const name = await get()
    await kubectl(cluster, 'delete pod -l app=peer')
    await expect.poll(get, soon).toMatch(/^pod peer-/)
    expect(await get()).not.toBe(name)
    await kubectl(cluster, 'scale deployment peer --replicas=0')
    await expect.poll(get, soon).toMatch(/ECONNRESET|ECONNREFUSED|other side closed/)
    await kubectl(cluster, 'scale deployment peer --replicas=1')
    await expect.poll(get, { timeout: 20_000, interval: 50 }).toMatch(/^pod peer-/)
  })

  test('a local container, the holder of its network and the gateway that are killed are told of by name; the gateway comes back', async ({
    cluster,
  }) => {
    const { engine } = await connectDocker()
    await using bridge = await cluster.bridge('deployment/shop', local)
    const nameOf = async (part: string) => {
      const all = await engine.listContainers({ filters: { label: [`vitest-kubernetes.cluster=${cluster.name}`] } })
      return all.map(({ Names }) => Names[0]!.slice(1)).filter((name) => name.includes(part))
    }
    const url = cluster.url('far.peers')
    const gateways = await nameOf('-gateway-')
    expect(gateways.length).toBeGreaterThan(0)
    expect(await bridge.problems()).toEqual([])

    await Promise.all(gateways.map(async (name) => engine.getContainer(name).kill()))
    for (const name of gateways)
      await expect.poll(() => bridge.problems(), { timeout: 5_000 }).toContainEqual(expect.stringContaining(name))
    await expect.poll(() => textOf(url), { timeout: 10_000 }).toMatch(/^pod far-/)
    expect(cluster.url('far.peers')).toBe(url)

    await expect.poll(() => nameOf('-gateway-'), { timeout: 20_000 }).toHaveLength(gateways.length)

    // Again, and taken away altogether: nothing of it may stay.
    const [again] = await nameOf('-gateway-')
    expect((await engine.getContainer(again!).inspect()).Mounts.filter(({ Type }) => Type === 'volume')).toEqual([])
    await engine.getContainer(again!).remove({ force: true })
    await expect.poll(() => bridge.problems(), { timeout: 5_000 }).toContainEqual(expect.stringContaining(again!))
    await expect.poll(() => textOf(url), { timeout: 10_000 }).toMatch(/^pod far-/)

    const [holder] = await nameOf('-member-')
    await engine.getContainer(holder!).kill()
    await expect.poll(() => bridge.problems(), { timeout: 5_000 }).toContainEqual(expect.stringContaining(holder!))
    const container = engine.getContainer(bridge.container!.getId())
    const { Name } = await container.inspect()
    await container.kill()
    await expect
      .poll(() => bridge.problems(), { timeout: 5_000 })
      .toContainEqual(expect.stringMatching(new RegExp(`${Name.slice(1)}" .* ended with exit code 137 while it was bridged`)))
  })

  test('a local container that is restarted, and one that ends with its bridge, are no problem', async ({ cluster }) => {
    const bridge = await cluster.bridge('deployment/shop', local)
    await bridge.container!.restart()
    await sleep(1_500)
    expect(await bridge.problems()).toEqual([])
    await bridge[Symbol.asyncDispose]()
  })

  test('files change all at once, and those that are gone go: in a local container and on this machine', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', local)
    await using member = await cluster.run({ ...local, env: { from: 'deployment/shop' } })
    await using other = await cluster.bridge('deployment/locked', { server: () => {}, env: { from: 'deployment/shop' }, files: true })
    const watching = Promise.all(
      [bridge.container!, member.container].map((each) =>
        runInLocal<{ versions: string[]; names: string[]; private: string; one: string }>(
          each,
          `const { readFileSync, readdirSync } = await import('node:fs')
          const versions = []
          const deadline = Date.now() + 60_000
          for (let i = 0; Date.now() < deadline; i++) {
            const version = readFileSync('/etc/settings/key-' + i % 20, 'utf8')
            if (version !== versions.at(-1)) versions.push(version)
            if (version === '2') break
            if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
          }
          await new Promise((resolve) => setTimeout(resolve, 500))
          const names = readdirSync('/etc/settings').filter((name) => !name.startsWith('..')).sort()
          return { versions, names, private: readFileSync('/etc/settings/private/password', 'utf8'), one: readFileSync('/etc/one', 'utf8') }`,
        ),
      ),
    )
    const { readFile, readdir } = await import('node:fs/promises')
    const here = () => readFile(`${other.root}/etc/settings/key-7`, 'utf8')
    const change = async (version: string, names: readonly string[]) => {
      // As a whole: what is applied keeps keys that others have set.
      await cluster.apply(settings(version, names))
      // kubelet looks at a pod's ConfigMaps once a minute, and at once when the pod changes.
      await kubectl(cluster, `annotate pod -l app=shop look=${version} --overwrite`)
      await expect.poll(here, { timeout: 30_000, interval: 100 }).toBe(version)
    }
    await change('1', [...keys, 'gone'])
    await change('2', [...keys, 'new'])
    const expected = { names: [...keys, 'new', 'private'].toSorted(), private: 'hunter22', one: '0' }
    for (const seen of await watching) {
      expect(seen).toMatchObject(expected)
      expect(['0 1 2', '0 2']).toContain(seen.versions.join(' '))
    }
    expect((await readdir(`${other.root}/etc/settings`)).filter((name) => !name.startsWith('..')).toSorted()).toEqual(expected.names)
  })

  test('files below other mounts, of a projected token, and that their owner alone may read are as in the pod', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', local)
    const account = '/var/run/secrets/kubernetes.io/serviceaccount'
    for (const path of [
      '/etc/settings/private/password',
      '/etc/one',
      '/var/run/about/token',
      '/var/run/about/labels',
      `${account}/token`,
    ]) {
      const inPod = (await cluster.exec('deployment/shop', ['cat', path])).stdout
      expect((await bridge.container!.exec(['cat', path])).stdout, path).toBe(inPod)
    }
    const mode = ['stat', '-L', '-c', '%a', '/etc/settings/private/password']
    expect((await bridge.container!.exec(mode)).stdout).toBe((await cluster.exec('deployment/shop', mode)).stdout)
  })

  test('a local container is called as the pod is, and finds names as the pod does', async ({ cluster }) => {
    for (const workload of ['shop', 'alone', 'locked']) {
      await using bridge = await cluster.bridge(`deployment/${workload}`, local)
      const inPod = async (...command: string[]) => (await cluster.exec(`deployment/${workload}`, command)).stdout
      const here = async (...command: string[]) => (await bridge.container!.exec(command)).stdout
      for (const command of [['cat', '/etc/resolv.conf'], ['hostname'], ['sh', '-c', 'echo $HOSTNAME']])
        expect(await here(...command), `${workload}: ${command.join(' ')}`).toBe(await inPod(...command))
      expect(await bridge.problems()).toEqual([])
    }
    await using bridge = await cluster.bridge('deployment/shop', local)
    const lookup = `const { promises } = await import('node:dns')
    return Promise.all(['legacy', 'legacy.corp.example', 'far', 'peer', 'far.peers', 'far.peers.svc', 'nobody'].map((name) => promises.lookup(name).then(({ address }) => address, (error) => error.code)))`
    const found = await runInLocal<string[]>(bridge.container!, lookup)
    expect(found.slice(0, 2)).toEqual(['10.9.8.7', '10.9.8.7'])
    expect(found.at(-1)).toBe('ENOTFOUND')
    const { stdout } = await cluster.exec('deployment/shop', [
      ...['node', '--input-type=module', '-e'],
      `const found = await (async () => { ${lookup} })(); process.stdout.write(JSON.stringify(found))`,
    ])
    expect(found).toEqual(JSON.parse(stdout))
    expect((await bridge.container!.exec(['hostname', '-f'])).stdout.trim()).toBe('front.shops.default.svc.cluster.local')
  })

  test('with dnsPolicy: Default names of the cluster lead nowhere, as in the pod', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/nodes', local)
    const lookup = `const { promises } = await import('node:dns')
    return promises.lookup('peer.default.svc.cluster.local').then(() => 'found', () => 'not found')`
    expect(await runInLocal(bridge.container!, lookup)).toBe('not found')
  })

  test('a local side that cannot be called as the pod is says so', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/shop', { server: () => {} })
    expect(await bridge.problems()).toEqual([
      expect.stringContaining(
        '"deployment/shop" has "hostAliases", "dnsConfig", "hostname" and "subdomain", which this local side does not get',
      ),
    ])
    await using plain = await cluster.bridge('deployment/locked', { server: () => {} })
    expect(await plain.problems()).toEqual([])
  })

  test('a pod without root, capabilities and a writable file system, with a command and little memory, is bridged to every kind', async ({
    cluster,
  }) => {
    for (const side of [{ server: (_: unknown, response: { end(text: string): void }) => response.end('local') } as never, local]) {
      await using _bridge = await cluster.bridge('deployment/locked', side)
      expect(await fetchInCluster(cluster, 'http://locked/', 5)).toEqual(Array(5).fill('local'))
    }
    expect(await kubectl(cluster, 'get pods -l app=locked -o jsonpath={.items[*].status.containerStatuses[0].restartCount}')).toBe('0')
  })
})

async function textOf(url: string): Promise<string> {
  try {
    return await (await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(2_000) })).text()
  } catch (error) {
    return String(error)
  }
}

/** What a call returns, or the code of what it throws. */
function errorOf(call: () => string): string {
  try {
    return call()
  } catch (error) {
    return (error as { code: string }).code
  }
}
