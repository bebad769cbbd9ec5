import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { GenericContainer } from 'testcontainers'
import { expect } from 'vitest'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { createKubeClient } from '../kube/client.ts'
import type { Service } from '../kube/types.ts'
import { listPods } from '../kube/workload.ts'
import { parseSubstitutes, substituteImage } from '../stack/images/image-names.ts'
import { describe } from '../suite/describe.ts'
import { bracketed } from '../support/ip-range.ts'
import { explain } from '../testing/explain.ts'
import { callInCluster, client, fetchInCluster, runInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { nodesOf, takeStock } from '../testing/take-stock.ts'
import type { LocalServer } from './options.ts'

const answer =
  (text: string): LocalServer =>
  (_, response) =>
    void response.end(text)

const images = ['node:24-slim']
const node = substituteImage(parseSubstitutes(process.env['VITEST_KUBERNETES_IMAGES']), 'node:24-slim')
const sayLocal = `require('node:http').createServer((_, response) => response.end('local')).listen(3000)`
const fromShop = expect.stringMatching(/^pod shop-/)
const sidecars = [{ name: 'sidecar', image: 'node:24-slim', command: ['node', '-e', 'setInterval(() => {}, 1000)'] }]

describe.withCluster(
  'nodes with the legacy backend of iptables, and pods where Docker has its networks',
  {
    images,
    nodeEnv: { IPTABLES_MODE: 'legacy' },
    k3sArgs: ['--cluster-cidr=172.16.0.0/12', '--disable=traefik'],
    manifests: [client, ...nodeApp('shop', { replicas: 2 }), ...nodeApp('other')],
  },
  (test) => {
    test('a bridge and a cut use the backend of the nodes, and leave nothing in either', async ({ cluster }) => {
      expect(await onNode(cluster, 'iptables --version')).toContain('(legacy)')
      const before = [await takeRules(cluster), await savedBy(cluster, 'nft')]
      const bridge = await cluster.bridge('deployment/shop', { server: answer('local') })
      expect(await fetchInCluster(cluster, 'http://shop/', 10)).toEqual(Array(10).fill('local'))
      expect(await savedBy(cluster, 'legacy')).toContain('VK-')
      expect(await savedBy(cluster, 'nft')).toEqual(before[1])
      await bridge[Symbol.asyncDispose]()
      expect(await fetchInCluster(cluster, 'http://shop/', 10)).toEqual(Array(10).fill(fromShop))
      const cut = await cluster.cut('deployment/client', 'deployment/shop')
      expect(await callInCluster(cluster, 'deployment/client', ['http://shop/', 'http://other/'], 2_000)).toEqual(['silent', 'answered'])
      expect(await savedBy(cluster, 'nft')).toEqual(before[1])
      await cut[Symbol.asyncDispose]()
      expect(await callInCluster(cluster, 'deployment/client', ['http://shop/'])).toEqual(['answered'])
      expect([await takeRules(cluster), await savedBy(cluster, 'nft')]).toEqual(before)
    })

    test('the ranges of Docker and of the cluster do not overlap: pods reach a local container, and that reaches pods', async ({
      cluster,
    }) => {
      const [pod] = await podAddresses(cluster, 'deployment/client')
      expect(pod).toMatch(/^172\./)
      const script = `require('node:http').createServer(async (request, response) => {
        response.end(request.url === '/' ? 'container' : await (await fetch('http://' + request.url.slice(1) + '/')).text())
      }).listen(3000)`
      const [other] = await podAddresses(cluster, 'deployment/other')
      await using _bridge = await cluster.bridge('deployment/shop', { image: 'node:24-slim', command: ['node', '-e', script] })
      expect(await fetchInCluster(cluster, 'http://shop/', 4)).toEqual(Array(4).fill('container'))
      expect(await fetchInCluster(cluster, `http://shop/${other}:3000`)).toEqual([expect.stringMatching(/^pod other-/)])
    })

    test('a local container and the pods are told at once that there is no IPv6 address', async ({ cluster }) => {
      const script = `const started = performance.now()
        const { promises } = await import('node:dns')
        const code = await promises.resolve6('shop.default.svc.cluster.local').then(String, (error) => error.code)
        return { code, isSlow: performance.now() - started > 2500 }`
      expect(await runInCluster(cluster, script)).toEqual({ code: 'ENODATA', isSlow: false })
      await using local = await cluster.run({ image: 'node:24-slim', command: ['sleep', '600'] })
      const wrapped = `(async () => { ${script} })().then((result) => console.log(JSON.stringify(result)))`
      const { output } = await local.container.exec(['node', '-e', wrapped])
      expect(JSON.parse(output)).toEqual({ code: 'ENODATA', isSlow: false })
    })
  },
)

describe.withCluster(
  'a node with a name of its own',
  { images, k3sArgs: ['--node-name=one', '--disable=traefik', '--disable=metrics-server'], manifests: [client, ...nodeApp('shop')] },
  (test) => {
    test('bridges to a server and to a container find the pods on it, and return', async ({ cluster }) => {
      expect(await onNode(cluster, 'kubectl get nodes --output=name')).toContain('node/one')
      for (const local of [{ server: answer('local') }, { image: 'node:24-slim', command: ['node', '-e', sayLocal] }]) {
        await using bridge = await cluster.bridge('deployment/shop', local)
        expect(await fetchInCluster(cluster, 'http://shop/', 4)).toEqual(Array(4).fill('local'))
        expect(await bridge.env()).toMatchObject({ KUBERNETES_SERVICE_PORT: '443' })
      }
      expect(await fetchInCluster(cluster, 'http://shop/', 4)).toEqual(Array(4).fill(fromShop))
    })
  },
)

const dualService = { ipFamilyPolicy: 'RequireDualStack' }
const shop = nodeApp('shop', { replicas: 2, sidecars, service: dualService })
const shop6 = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'shop6' },
  spec: { selector: { app: 'shop' }, ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'], ports: [{ port: 80, targetPort: 3000 }] },
}
const peer = nodeApp('peer', { service: dualService })

describe.withCluster(
  'a dual-stack cluster whose nodes have the nft backend',
  { images, ipFamily: 'dual', agents: 1, nodeEnv: { IPTABLES_MODE: 'nft' }, manifests: [client, ...shop, shop6, ...peer] },
  (test) => {
    test('by every address of a Service and of its pods requests go local, return to the pods, and nothing is left', async ({
      cluster,
    }) => {
      expect(await onNode(cluster, 'iptables --version')).toContain('(nf_tables)')
      const ways = await waysTo(cluster, 'deployment/shop', ['shop', 'shop6'])
      const kinds = ways.map((way) => way.replace(/\[.*\]/, '[IPv6]').replace(/^[0-9.]+/, 'IPv4'))
      expect(kinds).toEqual(['IPv4', '[IPv6]', '[IPv6]', 'shop', 'shop6', 'IPv4:3000', '[IPv6]:3000'])
      const ask = async () => Promise.all(ways.map((way) => fetchInCluster(cluster, `http://${way}/`, 4)))
      const before = await takeRules(cluster)
      expect(await ask()).toEqual(ways.map(() => Array(4).fill(fromShop)))
      const bridge = await cluster.bridge('deployment/shop', { server: answer('local') })
      expect(await ask()).toEqual(ways.map(() => Array(4).fill('local')))
      expect(bridge.received).toHaveLength(ways.length * 4)
      await bridge[Symbol.asyncDispose]()
      expect(await ask()).toEqual(ways.map(() => Array(4).fill(fromShop)))
      expect(await takeRules(cluster)).toEqual(before)
    })

    test('a Service of IPv6 alone can be reached from this machine', async ({ cluster, request }) => {
      expect(cluster.url('shop6')).toMatch(/^http:\/\/\[::1\]:\d+$/)
      await request('shop6')
        .get('/')
        .expect(200, /^pod shop-/)
      expect(await (await fetch('http://shop6/')).text()).toMatch(/^pod shop-/)
      await using _bridge = await cluster.bridge('deployment/shop', { server: answer('local') })
      await request('shop6').get('/').expect(200, 'local')
      await request('shop').get('/').expect(200, 'local')
    })

    test('a sidecar reaches the local side on its IPv6 loopback as on the other', async ({ cluster }) => {
      const sidecar = { workload: 'deployment/shop', container: 'sidecar' }
      await using _bridge = await cluster.bridge('deployment/shop', { server: answer('local') })
      expect(await fetchInCluster(cluster, 'http://127.0.0.1:3000/', 2, sidecar)).toEqual(['local', 'local'])
      expect(await fetchInCluster(cluster, 'http://[::1]:3000/', 2, sidecar)).toEqual(['local', 'local'])
    })

    test('a local container answers over IPv6, and reaches pods and Services over it', async ({ cluster }) => {
      const [, peer6] = await serviceAddresses(cluster, 'peer')
      const [, pod6] = await podAddresses(cluster, 'deployment/peer')
      const script = `require('node:http').createServer(async (request, response) => {
        const { pathname } = new URL(request.url, 'http://x')
        if (pathname === '/') return response.end('container')
        response.end(await (await fetch('http://' + pathname.slice(1) + '/')).text())
      }).listen(3000)`
      await using _bridge = await cluster.bridge('deployment/shop', { image: 'node:24-slim', command: ['node', '-e', script] })
      expect(await fetchInCluster(cluster, 'http://shop6/', 4)).toEqual(Array(4).fill('container'))
      expect(await fetchInCluster(cluster, 'http://shop/', 4)).toEqual(Array(4).fill('container'))
      for (const address of [peer6, `${pod6}:3000`, 'peer'])
        expect(await fetchInCluster(cluster, `http://shop6/${address}`)).toEqual([expect.stringMatching(/^pod peer-/)])
    })

    test('a process that listens on IPv4 alone, or on loopback, answers over IPv6 too', async ({ cluster }) => {
      for (const [port, host] of [
        [23_101, '0.0.0.0'],
        [23_102, '127.0.0.1'],
        [23_103, '::'],
      ] as const) {
        const command = ['node', '-e', `require('node:http').createServer((q, r) => r.end('${host}')).listen(${port}, '${host}')`]
        await using _bridge = await cluster.bridge('deployment/shop', { command, ports: { http: port } })
        expect(await fetchInCluster(cluster, 'http://shop6/', 2)).toEqual([host, host])
        expect(await fetchInCluster(cluster, 'http://shop/', 2)).toEqual([host, host])
      }
    })

    test('a port that the local side has over IPv4 alone is refused over IPv6 at once', async ({ cluster }) => {
      const process = `const socket = require('node:dgram').createSocket('udp4')
        socket.on('message', (message, { port, address }) => socket.send('udp ' + message, port, address)).bind(23104)`
      await using _bridge = await cluster.bridge('deployment/shop', { command: ['node', '-e', process], ports: { '5353/udp': 23_104 } })
      const addresses = (await podAddresses(cluster, 'deployment/shop')).map((address) => address.replaceAll(/[[\]]/g, ''))
      const ask = (address: string) =>
        runInCluster(
          cluster,
          `const { createSocket } = await import('node:dgram')
          const socket = createSocket(${JSON.stringify(address.includes(':') ? 'udp6' : 'udp4')})
          const answered = new Promise((resolve) => {
            socket.on('message', (message) => resolve(String(message))).on('error', (error) => resolve(error.code))
          })
          socket.connect(5353, ${JSON.stringify(address)}, () => socket.send('hello'))
          return answered`,
        )
      expect(await Promise.all(addresses.map(ask))).toEqual(['udp hello', 'ECONNREFUSED'])
    })

    test('bridged traffic passes policies that forbid egress, and ingress but from callers, and nothing else of the pods does', async ({
      cluster,
    }) => {
      await cluster.apply([
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'closed' } },
        ...nodeApp('shop', { service: dualService }).map((object) => ({
          ...object,
          metadata: { ...object.metadata, namespace: 'closed' },
        })),
      ])
      // Later: while the controller of policies works, it takes back what kube-proxy does, since it writes the table as it found it.
      await cluster.apply([
        {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata: { name: 'no-egress', namespace: 'closed' },
          spec: { podSelector: {}, policyTypes: ['Egress'] },
        },
        {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata: { name: 'callers', namespace: 'closed' },
          spec: { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'client' } } }] }] },
        },
      ])
      const gateways = await gatewaysOf(cluster)
      const forbidden = [...(await serviceAddresses(cluster, 'peer')), ...gateways.map((gateway) => `${gateway}:23106`)]
      const fromPod = () => Promise.all(forbidden.map((host) => reach(cluster, host)))
      await expect.poll(fromPod, { timeout: 20_000 }).toEqual(forbidden.map(() => 'ECONNREFUSED'))

      const ways = await serviceAddresses(cluster, 'shop', 'closed')
      const ask = () =>
        Promise.all(
          ways.map((way) =>
            fetchInCluster(cluster, `http://${way}/`, 4).catch(async (error: Error) => [error.message, await explain(cluster)]),
          ),
        )
      const before = await takeRules(cluster)
      expect(await ask()).toEqual(ways.map(() => Array(4).fill(fromShop)))
      const process = `for (const port of [23105, 23106]) require('node:http').createServer((q, r) => r.end('local ' + port)).listen(port)`
      const bridge = await cluster.bridge('deployment/shop', {
        ...{ namespace: 'closed', command: ['node', '-e', process], ports: { http: 23_105 } },
      })
      expect(await ask()).toEqual(ways.map(() => Array(4).fill('local 23105')))
      expect(await fromPod()).toEqual(forbidden.map(() => 'ECONNREFUSED'))
      await bridge[Symbol.asyncDispose]()
      expect(await ask()).toEqual(ways.map(() => Array(4).fill(fromShop)))
      expect(await takeRules(cluster)).toEqual(before)

      // What does not match goes from this machine to the pod, which its policy does not foresee.
      const matching = await cluster.bridge('deployment/shop', { namespace: 'closed', server: answer('local'), match: { path: '/local' } })
      expect(await ask()).toEqual(ways.map(() => Array(4).fill(fromShop)))
      expect(await fetchInCluster(cluster, `http://${ways[0]}/local`)).toEqual(['local'])
      await matching[Symbol.asyncDispose]()
      expect(await takeRules(cluster)).toEqual(before)
    })

    test('a connection that begins while kube-proxy has no rule for its Service is opened as soon as it has', async ({ cluster }) => {
      const docker = await connectDocker()
      const nodes = await nodesOf(cluster)
      const portals = async (verb: string) => {
        const rule = `-w 5 -t nat ${verb} PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`
        await Promise.all(
          nodes.map((name) => execInContainer(docker, name, ['sh', '-c', `iptables ${rule} && ip6tables ${rule}`], { timeout: 30_000 })),
        )
      }
      const ways = await serviceAddresses(cluster, 'peer')
      await portals('-D')
      await using restored = new AsyncDisposableStack()
      restored.defer(() => portals('-I'))
      const asked = Promise.all(ways.map((way) => fetchInCluster(cluster, `http://${way}/`)))
      await sleep(2_000)
      await restored.disposeAsync()
      expect(await asked).toEqual(ways.map(() => [expect.stringMatching(/^pod peer-/)]))
    })

    test('a cut holds on every path of both families, from node to node, and where a policy allows the traffic', async ({ cluster }) => {
      const name = 'everybody'
      const policy = { metadata: { name }, spec: { podSelector: { matchLabels: { app: 'shop' } }, ingress: [{}] } }
      await cluster.apply({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...policy })
      const kube = await kubeOf(cluster)
      await using _without = {
        [Symbol.asyncDispose]: async () =>
          void (await kube.request('DELETE', `/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/${name}`)),
      }
      const ask = async (patience?: number) => {
        const pods = await listPods(kube, 'default', 'deployment/shop')
        const ofPods = pods.flatMap(({ status }) => status!.podIPs!.map(({ ip }) => `${bracketed(ip)}:3000`))
        const ways = [...(await waysTo(cluster, 'deployment/shop', ['shop', 'shop6'])), ...ofPods]
        const urls = ways.map((way) => `http://${way}/`)
        return new Set(await callInCluster(cluster, 'deployment/client', urls, patience))
      }
      const before = await takeRules(cluster)
      expect(await ask()).toEqual(new Set(['answered']))
      const cut = await cluster.cut('deployment/client', 'deployment/shop')
      expect(await ask(1_500)).toEqual(new Set(['silent']))
      await cut[Symbol.asyncDispose]()
      expect(await ask()).toEqual(new Set(['answered']))
      expect(await takeRules(cluster)).toEqual(before)

      await using _cut = await cluster.cut('deployment/shop', 'deployment/client')
      await using _more = await cluster.scale('deployment/shop', 5)
      expect(await ask(1_500)).toEqual(new Set(['silent']))
    })

    test('a container of somebody else answers over IPv6 where it can, and is refused there at once where it cannot', async ({
      cluster,
    }) => {
      const script = `require('node:http').createServer((q, r) => r.end('mine')).listen(3000, process.argv[1])`
      for (const [host, expected] of [
        ['::', 'mine'],
        ['0.0.0.0', 'ECONNREFUSED'],
      ] as const) {
        await using mine = await new GenericContainer(node).withAutoCleanup(false).withCommand(['node', '-e', script, host]).start()
        await using _bridge = await cluster.bridge('deployment/shop', { container: mine })
        expect(await fetchInCluster(cluster, 'http://shop/')).toEqual(['mine'])
        const over6 = `return await fetch('http://shop6/').then((response) => response.text(), (error) => error.cause.code)`
        expect(await runInCluster(cluster, over6)).toBe(expected)
      }
    })
  },
)

async function onNode(cluster: TestCluster, command: string): Promise<string> {
  const nodes = await nodesOf(cluster)
  return execInContainer(
    await connectDocker(),
    nodes.find((name) => name.endsWith('server-0'))!,
    ['sh', '-c', command],
    { timeout: 60_000 },
  )
}

/** All rules of a backend, on the node and in the namespaces of its pods. */
function savedBy(cluster: TestCluster, backend: 'nft' | 'legacy'): Promise<string> {
  const save = `for family in "" 6; do xtables-${backend}-multi ip\${family}tables-save | grep -e ^-A; done`
  return onNode(cluster, `${save}; for ns in /var/run/netns/*; do nsenter --net=$ns sh -c '${save}'; done; :`)
}

/** Without the objects, whose status the kubelet may still be writing just after the set-up. */
async function takeRules(cluster: TestCluster) {
  const { nodes, containers } = await takeStock(cluster)
  return { nodes, containers }
}

/** Every way to the workload, as a URL has it: addresses and name of its Services, addresses of one pod. */
async function waysTo(cluster: TestCluster, workload: string, services: readonly string[]) {
  const addresses = (await Promise.all(services.map((name) => serviceAddresses(cluster, name)))).flat()
  return [...addresses, ...services, ...(await podAddresses(cluster, workload)).map((address) => `${address}:3000`)]
}

async function serviceAddresses(cluster: TestCluster, name: string, namespace = 'default'): Promise<readonly string[]> {
  const kube = await kubeOf(cluster)
  const { spec } = await kube.request<Service>('GET', `/api/v1/namespaces/${namespace}/services/${name}`)
  return spec!.clusterIPs!.map(bracketed)
}

async function podAddresses(cluster: TestCluster, workload: string): Promise<readonly string[]> {
  const [pod] = await listPods(await kubeOf(cluster), 'default', workload)
  return pod!.status!.podIPs!.map(({ ip }) => bracketed(ip))
}

/** Of this machine in the Docker network of the cluster. */
async function gatewaysOf(cluster: TestCluster): Promise<readonly string[]> {
  const { IPAM } = await (await connectDocker()).engine.getNetwork(cluster.name).inspect()
  return (IPAM?.Config ?? []).flatMap(({ Gateway }) => bracketed(Gateway!))
}

/** What a pod of the namespace without egress gets from an address. */
async function reach(cluster: TestCluster, host: string): Promise<string> {
  const script = `fetch('http://${host}/', { signal: AbortSignal.timeout(10_000) })
    .then((response) => response.text(), (error) => error.cause?.code ?? String(error)).then(console.log)`
  return (await cluster.exec('deployment/shop', ['node', '-e', script], { namespace: 'closed' })).stdout.trim()
}

async function kubeOf(cluster: TestCluster) {
  return createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
}
