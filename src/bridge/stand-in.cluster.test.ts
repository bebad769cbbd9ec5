import { readFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'

import { expect } from 'vitest'

import type { TestCluster } from '../client/test-cluster.ts'
import { createKubeClient } from '../kube/client.ts'
import type { KubeEvent, KubeList, Pod } from '../kube/types.ts'
import { describe } from '../suite/describe.ts'
import { client, fetchInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import type { Bridge } from './options.ts'

const config = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings' },
  data: { GREETING: 'hello', 'app.json': '{"color":"blue"}' },
}
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { password: 'p=a$s\nline' } }

/** Of an image that nobody has: it would never be ready, and whoever ran it would see it. */
function unbuilt(name: string, image: string, { greeting = 'hello', ...container }: { greeting?: string; securityContext?: object } = {}) {
  const probe = { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, failureThreshold: 1 }
  return nodeApp(name, {
    container: {
      image,
      command: ['/no/such/program'],
      env: [
        { name: 'NAME', value: name },
        { name: 'GREETING', value: greeting },
        { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
      ],
      envFrom: [{ configMapRef: { name: 'settings' }, prefix: 'CM_' }],
      volumeMounts: [{ name: 'settings', mountPath: '/etc/settings' }],
      readinessProbe: probe,
      livenessProbe: probe,
      startupProbe: probe,
      lifecycle: { postStart: { exec: { command: ['/no/such/program'] } } },
      ...container,
    },
    pod: {
      initContainers: [{ name: 'migrate', image, command: ['/no/such/program'] }],
      volumes: [{ name: 'settings', configMap: { name: 'settings' } }],
    },
  })
}

/** Does what fixtures/services/orders does, with what the bridge says. */
let mail: Bridge | undefined
const server: RequestListener = async (request, response) => {
  const path = new URL(request.url!, 'http://localhost').searchParams.get('path')
  response.end(path ? await readFile(`${mail!.root}${path}`) : JSON.stringify(await mail!.env()))
}

const suite = {
  images: ['node:24-slim'],
  manifests: [
    client,
    config,
    secret,
    ...unbuilt('orders', 'orders:dev'),
    // As the image of the sandboxes itself does in k3s.
    ...unbuilt('billing', 'registry.invalid/shop/billing:1.2', { securityContext: { runAsUser: 65_535, runAsGroup: 65_535 } }),
    ...unbuilt('mail', 'registry.invalid/shop/mail:1.2'),
  ],
  bridge: {
    'deployment/orders': { build: '../../fixtures/services/orders' },
    'deployment/billing': {
      command: ['node', '../../fixtures/services/orders/server.mjs'],
      ports: { http: 23_121 },
      env: { set: { PORT: '23121' } },
      standIn: true,
    },
    'service/mail': { server, files: true, standIn: true },
  },
}

describe.withCluster('stand-in', suite, (test) => {
  test('a workload whose image nobody has is ready, and its Service is answered by what is bridged, with its environment and files', async ({
    cluster,
    bridges,
  }) => {
    mail = bridges['service/mail']
    for (const name of ['orders', 'billing', 'mail']) {
      const [env, file] = await Promise.all([
        fetchInCluster(cluster, `http://${name}/`),
        fetchInCluster(cluster, `http://${name}/file?path=/etc/settings/app.json`),
      ])
      expect(JSON.parse(env[0]!), name).toMatchObject({ NAME: name, GREETING: 'hello', CM_GREETING: 'hello', PASSWORD: 'p=a$s\nline' })
      expect(file, name).toEqual(['{"color":"blue"}'])
    }
    expect(await bridges['deployment/orders'].env()).toMatchObject({ NAME: 'orders', PASSWORD: 'p=a$s\nline' })
    expect(await cluster.env('deployment/billing', { include: ['NAME'] })).toEqual({ NAME: 'billing' })
  })

  test('no node has looked for the image, nor started anything twice', async ({ cluster }) => {
    const { pods, events } = await takeStock(cluster)
    expect(pods).toHaveLength(3)
    for (const { spec, status } of pods) {
      expect(status!.containerStatuses!.map(({ ready, restartCount }) => [ready, restartCount])).toEqual([[true, 0]])
      expect(spec!.containers[0]!.image).toContain('pause')
      expect(spec!.initContainers ?? []).toEqual([])
    }
    expect(events.map(({ message }) => message).filter((text) => /orders:dev|registry\.invalid/.test(text ?? ''))).toEqual([])
  })

  test('what is applied later for the same workload runs a stand-in too, and its files follow', async ({ cluster }) => {
    await cluster.apply([
      { ...config, data: { ...config.data, 'app.json': '{"color":"red"}' } },
      ...unbuilt('orders', 'registry.example.com/shop/orders:next', { greeting: 'hello again' }),
    ])
    await expect
      .poll(() => fetchInCluster(cluster, 'http://orders/file?path=/etc/settings/app.json'), { timeout: 10_000 })
      .toEqual(['{"color":"red"}'])
    expect(await cluster.env('deployment/orders', { include: ['GREETING'] })).toEqual({ GREETING: 'hello again' })
    expect(JSON.parse((await fetchInCluster(cluster, 'http://orders/'))[0]!)).toMatchObject({ NAME: 'orders', GREETING: 'hello' })
  })

  test('without its bridge nobody answers; a bridge that comes later is too late for a stand-in', async ({ cluster, bridges }) => {
    await bridges['deployment/billing'][Symbol.asyncDispose]()
    await expect(fetchInCluster(cluster, 'http://billing/')).rejects.toThrow('ECONNREFUSED')
    await expect(cluster.bridge('deployment/billing', { server, standIn: true } as never)).rejects.toMatchObject({
      code: 'ERR_OPTIONS_INVALID',
      hint: 'Set it in the option `bridge` of the suite, which brings the workload up.',
    })
    await using _bridge = await cluster.bridge('deployment/billing', { server: (_, response) => void response.end('again') })
    expect(await fetchInCluster(cluster, 'http://billing/')).toEqual(['again'])
  })
})

async function takeStock(cluster: TestCluster) {
  const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
  const list = async <T>(kind: string) => (await kube.request<KubeList<T>>('GET', `/api/v1/namespaces/default/${kind}`)).items
  const pods = (await list<Pod>('pods')).filter(({ metadata }) => metadata?.labels?.['app'] !== 'client')
  return { pods, events: await list<KubeEvent>('events') }
}
