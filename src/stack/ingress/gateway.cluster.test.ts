import { readFile } from 'node:fs/promises'
import { type IncomingMessage, createServer } from 'node:http'
import { connect } from 'node:http2'
import { get } from 'node:https'
import { text } from 'node:stream/consumers'

import { expect } from 'vitest'

import { findFreePort } from '../../cluster/network/free-port.ts'
import { gatewayResource } from '../../cluster/network/gateway-routes.ts'
import { withRoutes } from '../../cluster/network/ingress-routes.ts'
import { waitForRoutes } from '../../engine/wait-for-routes.ts'
import { createKubeClient } from '../../kube/client.ts'
import type { GatewayRoute } from '../../kube/gateway-api.ts'
import { describe } from '../../suite/describe.ts'
import { gateway, httpRoute, leads, tlsRoute } from '../../testing/gateway.ts'
import { nodeApp } from '../../testing/node-app.ts'
import { kubectl } from '../../testing/nodes.ts'
import { createIdentity } from '../../testing/tls.ts'

const identity = await createIdentity('pay.localhost')
const pass = await createIdentity('pass.example.com')
/** Answers with its name, and what it was asked for by which host. */
const app = (name: string, namespace?: string) =>
  nodeApp(
    name,
    {},
    `require('node:http').createServer((q, r) => r.end('${name} ' + q.url + ' ' + q.headers.host + (q.headers.team ? ' ' + q.headers.team : ''))).listen(3000)`,
  ).map((object) => ({ ...object, metadata: { ...object.metadata, ...(namespace && { namespace }) } }))
/** Speaks HTTP/2 without TLS, as servers of gRPC do. */
const grpc = nodeApp(
  'grpc',
  { service: { ports: [{ name: 'grpc', port: 80, targetPort: 3000, appProtocol: 'kubernetes.io/h2c' }] } },
  `require('node:http2').createServer((q, r) => r.end('grpc ' + q.url)).listen(3000)`,
)
/** Answers TLS itself, with the certificate of its variables. */
const secure = nodeApp(
  'secure',
  {
    container: { env: ['key', 'cert'].map((name) => ({ name, value: pass[name as 'key' | 'cert'] })) },
    service: { ports: [{ name: 'https', port: 443, targetPort: 3000 }] },
  },
  `const { key, cert } = process.env; require('node:https').createServer({ key, cert }, (q, r) => r.end('secure ' + q.url)).listen(3000)`,
)
const answer = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, { redirect: 'manual', ...init })
  return response.ok ? response.text() : response.status
}

const port = await findFreePort()
const exact = (value: string) => ({ matches: [{ path: { type: 'Exact', value } }] })
const at = (namespace: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })

describe.withCluster(
  'gateway',
  {
    images: ['node:24-slim'],
    ports: { ingress: port },
    manifests: [
      at('team'),
      ...app('web'),
      ...app('api'),
      ...app('far', 'team'),
      ...grpc,
      ...secure,
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'pay-tls' },
        type: 'kubernetes.io/tls',
        stringData: { 'tls.crt': identity.cert, 'tls.key': identity.key },
      },
      gateway('shop', [
        { allowedRoutes: { namespaces: { from: 'All' } } },
        {
          ...{ name: 'https', port: 443, protocol: 'HTTPS', hostname: 'pay.localhost' },
          tls: { certificateRefs: [{ name: 'pay-tls' }] },
        },
        // One at which Traefik itself listens otherwise.
        { name: 'alt', port: 8080 },
        { name: 'pass', port: 8443, protocol: 'TLS', tls: { mode: 'Passthrough' } },
      ]),
      httpRoute(
        'shop',
        { name: 'shop', sectionName: 'http' },
        {
          hostnames: ['shop.localhost', '*.shop.localhost'],
          rules: [
            leads('web'),
            leads('api', '/api'),
            leads('api', undefined, exact('/this-and-only')),
            leads('api', undefined, { matches: [{ headers: [{ name: 'version', value: '2' }] }] }),
            leads('api', '/old', {
              filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } } }],
            }),
            leads('web', '/named', {
              filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'team', value: 'blue' }] } }],
            }),
            {
              matches: [{ path: { type: 'PathPrefix', value: '/moved' } }],
              filters: [
                {
                  type: 'RequestRedirect',
                  requestRedirect: { path: { type: 'ReplaceFullPath', replaceFullPath: '/here' }, statusCode: 302 },
                },
              ],
            },
          ],
        },
      ),
      httpRoute('pay', { name: 'shop', sectionName: 'https' }, { rules: [leads('web')] }),
      httpRoute('alt', { name: 'shop', port: 8080 }, { hostnames: ['alt.localhost'], rules: [leads('api')] }),
      tlsRoute('pass', { name: 'shop', sectionName: 'pass' }, ['pass.example.com'], 'secure'),
      httpRoute('shop.v2', { name: 'shop', sectionName: 'http' }, { hostnames: ['*.deep.example.com'], rules: [leads('api')] }),
      httpRoute('far', { name: 'shop', namespace: 'default' }, { namespace: 'team', hostnames: ['far.localhost'], rules: [leads('far')] }),
      // Its Gateway is another team's, and not in the stack.
      httpRoute('ours', { name: 'everybody', namespace: 'infra' }, { hostnames: ['ours.localhost'], rules: [leads('web')] }),
      {
        ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GRPCRoute', metadata: { name: 'calls' } },
        spec: {
          parentRefs: [{ name: 'shop', sectionName: 'http' }],
          hostnames: ['calls.localhost'],
          rules: [{ matches: [{ method: { service: 'shop.Cart', method: 'Add' } }], backendRefs: [{ name: 'grpc', port: 80 }] }],
        },
      },
    ],
  },
  (test) => {
    test('routes lead by host, path and header, as they are written', async ({ request }) => {
      const shop = (path: string, init?: RequestInit) => answer(`http://shop.localhost${path}`, init)
      expect(await shop('/cart')).toBe('web /cart shop.localhost')
      expect(await shop('/api/orders?a=b')).toBe('api /api/orders?a=b shop.localhost')
      expect(await shop('/apis')).toBe('web /apis shop.localhost')
      expect(await shop('/this-and-only')).toBe('api /this-and-only shop.localhost')
      expect(await shop('/this-and-only/more')).toBe('web /this-and-only/more shop.localhost')
      expect(await shop('/', { headers: { version: '2' } })).toBe('api / shop.localhost')
      expect(await shop('/old/cart')).toBe('api /new/cart shop.localhost')
      expect(await shop('/named')).toBe('web /named shop.localhost blue')
      expect(await shop('/moved')).toBe(302)
      expect(await answer('http://red.shop.localhost/')).toBe('web / red.shop.localhost')
      await request('httproute/shop').get('/api/1').expect(200, `api /api/1 shop.localhost:${port}`)
    })

    test('each listener has its port, its hosts and its certificate', async ({ cluster, request }) => {
      expect(cluster.url('httproute/shop')).toBe(`http://shop.localhost:${port}`)
      expect(cluster.url('httproute/shop', 'red.shop.localhost')).toBe(`http://red.shop.localhost:${port}`)
      expect(cluster.url('httproute/pay')).toMatch(/^https:\/\/pay\.localhost:\d+$/)
      await request('httproute/pay')
        .get('/card')
        .ca(identity.cert)
        .expect(200, /^web \/card pay\.localhost/)
      expect(await answer('http://pay.localhost/')).toBe(404)
      expect(cluster.url('httproute/alt')).toMatch(/^http:\/\/alt\.localhost:\d+$/)
      expect(await answer('http://alt.localhost:8080/')).toBe('api / alt.localhost:8080')
      expect(await answer('http://alt.localhost/')).toBe(404)
      expect(() => cluster.url('httproute/web')).toThrow('There is no HTTPRoute "web" in the cluster')
    })

    test('routes of other namespaces, and to a Gateway that the stack does not have', async ({ cluster }) => {
      expect(await answer('http://far.localhost/')).toBe('far / far.localhost')
      expect(cluster.url('httproute/far.team')).toBe(`http://far.localhost:${port}`)
      expect(await answer('http://ours.localhost/')).toBe('web / ours.localhost')
    })

    test('TLS that passes through', async ({ cluster }) => {
      expect(cluster.url('tlsroute/pass')).toMatch(/^https:\/\/pass\.example\.com:\d+$/)
      for (const url of [cluster.url('tlsroute/pass'), 'https://pass.example.com:8443']) {
        const response = await new Promise<IncomingMessage>((resolve, reject) =>
          get(`${url}/a`, { ca: pass.cert }, resolve).on('error', reject),
        )
        expect(await text(response)).toBe('secure /a')
      }
    })

    test('hosts of several labels below a wildcard, of a route with a dot in its name', async ({ cluster }) => {
      expect(await answer('http://a.red.deep.example.com/')).toBe('api / a.red.deep.example.com')
      expect(cluster.url('httproute/shop.v2', 'a.red.deep.example.com')).toBe(`http://a.red.deep.example.com:${port}`)
    })

    test('calls of gRPC', async ({ cluster }) => {
      const session = connect(cluster.url('grpcroute/calls'), {
        lookup: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
      })
      const call = (path: string) => text(session.request({ ':path': path, ':method': 'POST', 'content-type': 'application/grpc' }).end())
      try {
        expect(await call('/shop.Cart/Add')).toBe('grpc /shop.Cart/Add')
        expect(await call('/shop.Cart/Remove')).toBe('404 page not found\n')
      } finally {
        session.close()
      }
    })

    test('their status says that they are served', async ({ cluster }) => {
      expect(await kubectl(cluster, 'get gateway shop -o jsonpath={.status.conditions[*].status},{.status.addresses[*].value}')).toBe(
        'True True,localhost',
      )
      const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
      const route = await kube.request<GatewayRoute>('GET', (await gatewayResource(kube, 'HTTPRoute'))!.path('default', 'shop'))
      expect(route.status?.parents?.flatMap(({ conditions = [] }) => conditions.map(({ status }) => status))).toEqual(['True', 'True'])
    })

    test('a bridge answers through it, and so does the workload again', async ({ cluster }) => {
      {
        await using _bridge = await cluster.bridge('deployment/web', {
          server: createServer((request, response) => response.end(`local ${request.url} ${request.headers.host}`)),
        })
        expect(await answer('http://shop.localhost/cart')).toBe('local /cart shop.localhost')
        expect(await answer('http://shop.localhost/api')).toBe('api /api shop.localhost')
      }
      expect(await answer('http://shop.localhost/')).toBe('web / shop.localhost')
    })

    test('what is applied later is served when apply resolves, also by a Gateway with another port', async ({ cluster }) => {
      await cluster.apply([
        ...app('late'),
        httpRoute('late', 'shop', { hostnames: ['late.localhost'], rules: [leads('late')] }),
        gateway('side', [{ port: 9000 }], { gatewayClassName: 'other' }),
        httpRoute('side', 'side', { hostnames: ['side.localhost'], rules: [leads('late')] }),
      ])
      expect(await answer('http://late.localhost/')).toBe('late / late.localhost')
      expect(await answer('http://side.localhost:9000/')).toBe('late / side.localhost:9000')
      expect(await answer('http://shop.localhost/')).toBe('web / shop.localhost')
      for (const service of ['web', 'api', 'late']) {
        await cluster.apply(httpRoute('late', 'shop', { hostnames: ['late.localhost'], rules: [leads(service)] }))
        expect(await answer('http://late.localhost/')).toBe(`${service} / late.localhost`)
      }
    })

    test('two at once know of each other', async ({ cluster }) => {
      const one = (name: string, at: number) => [
        gateway(name, [{ port: at }]),
        httpRoute(name, name, { hostnames: [`${name}.localhost`], rules: [leads('web')] }),
      ]
      await Promise.all([cluster.apply(one('one', 9001)), cluster.apply(one('two', 9002))])
      await cluster.apply([])
      expect(await answer('http://one.localhost:9001/')).toBe('web / one.localhost:9001')
      expect(await answer('http://two.localhost:9002/')).toBe('web / two.localhost:9002')
    })

    test('what was refused is in the way of nothing that comes later', async ({ cluster }) => {
      await expect(cluster.apply(gateway('huge', [{ port: 70_000 }]))).rejects.toThrow('Gateway "huge" was refused by the API server')
      await cluster.apply(httpRoute('after', 'shop', { hostnames: ['after.localhost'], rules: [leads('web')] }))
      expect(await answer('http://after.localhost/')).toBe('web / after.localhost')
    })

    test('paths that Traefik writes otherwise are no reason to wait', async ({ cluster }) => {
      const started = performance.now()
      const pattern = (value: string) => leads('web', undefined, { matches: [{ path: { type: 'RegularExpression', value } }] })
      await cluster.apply(httpRoute('odd', 'shop', { hostnames: ['odd.localhost'], rules: [pattern('/a\tb|/\u00e9|/"q"\\\\d+')] }))
      expect(performance.now() - started).toBeLessThan(10_000)
    })

    test('what is not served is told with the reason', async ({ cluster }) => {
      const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
      await cluster.apply([
        // Only routes of its own namespace.
        httpRoute(
          'barred',
          { name: 'side', namespace: 'default' },
          { namespace: 'team', hostnames: ['a.localhost'], rules: [leads('far')] },
        ),
        httpRoute('beyond', 'shop', {
          hostnames: ['b.localhost'],
          rules: [{ backendRefs: [{ name: 'far', namespace: 'team', port: 80 }] }],
        }),
        httpRoute('broken', 'shop', {
          hostnames: ['c.localhost'],
          rules: [leads('web', undefined, { matches: [{ path: { type: 'RegularExpression', value: '/(?!admin).*' } }] })],
        }),
      ])
      const notes: string[] = []
      const addresses = await withRoutes(kube, [
        ...['web', 'api', 'late', 'grpc', 'far'].map((service) => ({
          ...{ namespace: service === 'far' ? 'team' : 'default', service, portName: 'http', port: 80, host: '127.0.0.1', hostPort: 1 },
        })),
        { namespace: 'default', service: 'ingress', portName: 'http', port: 80, host: '127.0.0.1', hostPort: port },
        { namespace: 'default', service: 'ingress', portName: 'http-9000', port: 9000, host: '127.0.0.1', hostPort: 1 },
      ])
      const { signal } = new AbortController()
      await waitForRoutes(kube, addresses, {
        refused: new Set(),
        progress: (event) => 'text' in event && notes.push(event.text ?? ''),
        signal,
      })
      expect(notes.toSorted()).toEqual([
        'the ingress controller does not serve "httproute/barred a.localhost/": NotAllowedByListeners',
        'the ingress controller does not serve "httproute/beyond b.localhost/": ' +
          'RefNotPermitted: Cannot load HTTPBackendRef core/Service/team/far: missing ReferenceGrant',
        expect.stringMatching(
          /^the ingress controller does not serve "httproute\/broken c\.localhost\/\(\?!admin\)\.\*": .*invalid or unsupported Perl syntax/,
        ),
      ])
    })

    test('without a pod it is 503, and a controller that is gone comes back', async ({ cluster }) => {
      {
        await using _none = await cluster.scale('deployment/api', 0)
        await expect.poll(() => answer('http://shop.localhost/api')).toBe(503)
      }
      await cluster.restart('deployment/ingress')
      expect(await answer('http://shop.localhost/')).toBe('web / shop.localhost')
      expect(await answer('http://alt.localhost:8080/')).toBe('api / alt.localhost:8080')
    })
  },
)
