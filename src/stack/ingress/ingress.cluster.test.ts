import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'

import { expect } from 'vitest'

import { findFreePort } from '../../cluster/network/free-port.ts'
import { createKubeClient } from '../../kube/client.ts'
import { apiPath } from '../../kube/kinds.ts'
import type { Ingress } from '../../kube/types.ts'
import { describe } from '../../suite/describe.ts'
import { backend, ingress, rule, to } from '../../testing/ingress.ts'
import { nodeApp } from '../../testing/node-app.ts'
import { createIdentity } from '../../testing/tls.ts'

/** Answers with its name, and what it was asked for by which host. */
const app = (name: string) =>
  nodeApp(name, {}, `require('node:http').createServer((q, r) => r.end('${name} ' + q.url + ' ' + q.headers.host)).listen(3000)`)
const text = async (url: string) => {
  const response = await fetch(url)
  return response.ok ? response.text() : response.status
}

const identity = await createIdentity('pay.localhost')
const port = await findFreePort()

describe.withCluster(
  'ingress',
  {
    images: ['node:24-slim'],
    ports: { ingress: port },
    manifests: [
      ...app('web'),
      ...app('api'),
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'pay-tls' },
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': identity.cert, 'tls.key': identity.key },
      },
      ingress('shop', {
        ingressClassName: 'traefik',
        rules: [
          rule(
            'shop.localhost',
            to('/', 'web'),
            to('/api', 'api'),
            to('/this-and-only', 'api', 'Exact'),
            to('/any', 'api', 'ImplementationSpecific'),
          ),
        ],
      }),
      ingress('wild', { ingressClassName: 'haproxy', rules: [rule('*.shop.localhost', to('/', 'api'))] }),
      ingress(
        'old',
        { ingressClassName: 'nginx', rules: [rule('old.localhost', { ...to('/v1(/|$)(.*)', 'api', 'ImplementationSpecific') })] },
        { annotations: { 'nginx.ingress.kubernetes.io/rewrite-target': '/v2/$2', 'nginx.ingress.kubernetes.io/use-regex': 'true' } },
      ),
      ingress('pay', { tls: [{ hosts: ['pay.localhost'], secretName: 'pay-tls' }], rules: [rule('pay.localhost', to('/', 'web'))] }),
      ingress('rest', { defaultBackend: backend('web') }),
      ingress('lost', { rules: [rule('lost.localhost', to('/', 'gone'))] }),
    ],
  },
  (test) => {
    test('rules lead by host and path, as they are written', async ({ request }) => {
      const shop = (path: string) => text(`http://shop.localhost${path}`)
      expect(await shop('/cart')).toBe('web /cart shop.localhost')
      expect(await shop('/api')).toBe('api /api shop.localhost')
      expect(await shop('/api/orders?a=b')).toBe('api /api/orders?a=b shop.localhost')
      expect(await shop('/apis')).toBe('web /apis shop.localhost')
      expect(await shop('/this-and-only')).toBe('api /this-and-only shop.localhost')
      expect(await shop('/this-and-only/more')).toBe('web /this-and-only/more shop.localhost')
      expect(await shop('/any/thing')).toBe('api /any/thing shop.localhost')
      const long = `/${'a'.repeat(4000)}`
      expect(await shop(long)).toBe(`web ${long} shop.localhost`)
      await request('ingress/shop').get('/api/1').expect(200, `api /api/1 shop.localhost:${port}`)
    })

    test('it is at the port that the stack says, and by any of its hosts', async ({ cluster, request }) => {
      expect(cluster.url('ingress/shop')).toBe(`http://shop.localhost:${port}`)
      expect(cluster.url('ingress')).toBe(`http://127.0.0.1:${port}`)
      expect(await text(cluster.url('ingress/wild', 'red.shop.localhost'))).toBe(`api / red.shop.localhost:${port}`)
      await request('ingress').get('/').set('host', 'shop.localhost').expect(200, 'web / shop.localhost')
      await expect(fetch('http://unknown.invalid')).rejects.toThrow('fetch failed')
    })

    test('a class of nginx has its annotations', async () => {
      expect(await text('http://old.localhost/v1/orders')).toBe('api /v2/orders old.localhost')
      expect(await text('http://old.localhost/v0')).toBe('web /v0 old.localhost')
    })

    test("TLS shows the Secret's certificate", async ({ cluster, request }) => {
      expect(cluster.url('ingress/pay')).toMatch(/^https:\/\/pay\.localhost:\d+$/)
      const { text: answer } = await request('ingress/pay').get('/card').ca(identity.cert).expect(200)
      expect(answer).toMatch(/^web \/card pay\.localhost:/)
      expect(await text('http://pay.localhost/')).toBe('web / pay.localhost')
    })

    test('what no rule names goes to the default backend, and what leads nowhere is no reason to wait', async ({ cluster }) => {
      expect(await text(cluster.url('ingress/rest'))).toBe(`web / 127.0.0.1:${port}`)
      expect(await text('http://lost.localhost/')).toBe('web / lost.localhost')
    })

    test('its status has an address', async ({ cluster }) => {
      const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
      for (const name of ['shop', 'wild', 'old'])
        expect((await kube.request<Ingress>('GET', apiPath('Ingress', 'default', name))).status?.loadBalancer?.ingress).toEqual([
          { hostname: 'localhost' },
        ])
    })

    test('a bridge answers through it, and so does the workload again', async ({ cluster }) => {
      expect(await text('http://shop.localhost/')).toBe('web / shop.localhost')
      {
        await using _bridge = await cluster.bridge('deployment/web', {
          server: createServer((request, response) => response.end(`local ${request.url} ${request.headers.host}`)),
        })
        expect(await text('http://shop.localhost/cart')).toBe('local /cart shop.localhost')
        expect(await text('http://shop.localhost/api')).toBe('api /api shop.localhost')
      }
      expect(await text('http://shop.localhost/')).toBe('web / shop.localhost')
    })

    test('what is applied later is served when apply resolves', async ({ cluster }) => {
      await cluster.apply([
        ...app('late'),
        ingress('late', { ingressClassName: 'new', rules: [rule('late.localhost', to('/', 'late'))] }),
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } },
        ...app('far').map((object) => ({ ...object, metadata: { ...object.metadata, namespace: 'other' } })),
        ingress('far', { rules: [rule('shop.localhost', to('/far', 'far'))] }, { namespace: 'other' }),
      ])
      expect(await text('http://late.localhost/')).toBe('late / late.localhost')
      expect(await text('http://shop.localhost/far')).toBe('far /far shop.localhost')
      expect(cluster.url('ingress/far.other')).toBe(`http://shop.localhost:${port}`)
      await cluster.apply(ingress('late', { ingressClassName: 'new', rules: [rule('late.localhost', to('/', 'late'), to('/api', 'api'))] }))
      expect(await text('http://late.localhost/api')).toBe('api /api late.localhost')
      // Nobody reads its file again, and it is served all the same.
      await cluster.apply([])
      expect(await text('http://late.localhost/')).toBe('late / late.localhost')
    })

    test('a rule that the controller refuses is waited for once, and never again', async ({ cluster }) => {
      const started = performance.now()
      await cluster.apply(
        ingress('odd', { rules: [rule('odd.localhost', { ...to('/', 'web'), backend: backend('web', { number: 9_999 }) })] }),
      )
      const first = performance.now() - started
      await cluster.apply(ingress('even', { rules: [rule('even.localhost', to('/', 'web'))] }))
      expect(await text('http://even.localhost/')).toBe('web / even.localhost')
      expect(performance.now() - started - first).toBeLessThan(first)
    })

    test('requests wait for nobody: without a pod it is 503', async ({ cluster }) => {
      await using _none = await cluster.scale('deployment/api', 0)
      await expect.poll(() => text('http://shop.localhost/api')).toBe(503)
    })

    test('a controller that is gone comes back', async ({ cluster }) => {
      await cluster.restart('deployment/ingress')
      expect(await text('http://shop.localhost/')).toBe('web / shop.localhost')
      expect(await text('http://old.localhost/v1/a')).toBe('api /v2/a old.localhost')
    })
  },
)
