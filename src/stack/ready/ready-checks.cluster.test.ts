import { readFile } from 'node:fs/promises'

import { createKubeClient } from '../../kube/client.ts'
import { describe } from '../../suite/describe.ts'
import { nodeApp } from '../../testing/node-app.ts'
import type { ReadyOption } from '../ready-options.ts'
import { waitForChecks } from './ready-checks.ts'

/** Ready for Kubernetes at once, and of use some seconds later. */
const gateway = `
const started = Date.now()
require('node:http').createServer((request, response) => {
  const warm = Date.now() - started > 3000
  if (request.url === '/warm') return response.writeHead(warm ? 200 : 503).end(warm ? 'all subgraphs' : 'still composing')
  if (request.url === '/broken') return response.writeHead(500).end('no database')
  const types = warm ? [{ name: 'Query' }, { name: 'Order' }] : [{ name: 'Query' }]
  response.end(JSON.stringify(request.url === '/graphql' ? { data: { __schema: { types } } } : { errors: [{ message: 'no' }] }))
}).listen(3000)
process.on('SIGTERM', () => process.exit(0))
`

const widget = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.shop.example.com' },
  spec: {
    group: 'shop.example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

const own = {
  apiVersion: 'shop.example.com/v1',
  kind: 'Widget',
  metadata: { name: 'globe' },
  status: { conditions: [{ type: 'Painted', status: 'True' }], phase: 'Sold' },
}

const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'files' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
}

const volume = {
  pod: { volumes: [{ name: 'files', persistentVolumeClaim: { claimName: 'files' } }] },
  container: { volumeMounts: [{ name: 'files', mountPath: '/files' }] },
}

const ready: ReadyOption = {
  'deployment/gateway': [{ http: '/warm', text: 'subgraphs' }, { graphql: '/graphql', type: 'Order' }, { condition: 'Available' }],
  'service/gateway': [{ tcp: 'http' }, { tcp: 80 }, { http: '/broken', status: 500 }],
  'pvc/files': { field: 'status.phase', equals: 'Bound' },
  'crd/widgets.shop.example.com': { condition: 'Established' },
  'shop.example.com/v1/Widget/globe': [{ condition: 'Painted' }, { field: 'status.phase', equals: 'Sold' }],
}

// Each waits for its time to be over.
describe.concurrent.withCluster('ready', { manifests: [...nodeApp('gateway', volume, gateway), widget, own, claim], ready }, (test) => {
  test('a test starts when all checks hold', async ({ request }) => {
    await request('gateway').get('/warm').expect(200, 'all subgraphs')
  })

  test.for([
    [
      { 'service/gateway': { http: '/broken', timeout: 5000 } },
      'Check `GET /broken` of "service/gateway" did not hold',
      'last seen: 500 "no database".',
    ],
    [{ gateway: { graphql: '/other', timeout: 5000 } }, 'Check `GraphQL /other`', 'last seen: 200 "{'],
    [{ gateway: { graphql: '/graphql', type: 'Cart', timeout: 5000 } }, 'GraphQL /graphql', 'last seen: a schema without the type "Cart".'],
    [{ 'service/gateway': { tcp: 81, timeout: 5000 } }, 'Check `port 81`', 'no Service leads to it by port 81.'],
    [
      { 'deployment/gateway': { condition: 'Progressing', status: 'False', timeout: 5000 } },
      'condition Progressing=False',
      'last seen: Progressing=True',
    ],
    [{ 'pvc/files': { field: 'status.phase', equals: 'Lost', timeout: 5000 } }, 'status.phase = "Lost"', 'last seen: it is "Bound".'],
    [
      { 'shop.example.com/v1/Widget/atlas': { condition: 'Painted', timeout: 5000 } },
      '"shop.example.com/v1/Widget/atlas"',
      'last seen: it is not there.',
    ],
  ] as const)('says what it saw last: %j', async ([checks, what, seen], { cluster, expect }) => {
    const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
    const { host, port } = cluster.address('gateway')
    const addresses = () => [{ namespace: 'default', service: 'gateway', portName: 'http', port: 80, host, hostPort: port }]
    const waiting = waitForChecks(checks, {
      kube,
      namespace: 'default',
      addresses,
      progress: () => {},
      signal: AbortSignal.timeout(60_000),
    })
    const error: unknown = await waiting.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_READY_CHECK_FAILED', message: expect.stringContaining(what) })
    expect(error).toMatchObject({ message: expect.stringContaining(seen) })
  })
})
