import { describe } from '../../suite/describe.ts'
import { nodeApp } from '../../testing/node-app.ts'

const service = (name: string, spec: object, labels: Readonly<Record<string, string>> = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, labels },
  spec: { selector: { app: 'stock' }, ports: [{ name: 'http', port: 80, targetPort: 3000 }], ...spec },
})
const manifests = [
  ...nodeApp('stock'),
  // One of the two nodes has no endpoint, and drops what is for it.
  service('local', { internalTrafficPolicy: 'Local' }),
  service('of-another-proxy', {}, { 'service.kubernetes.io/service-proxy-name': 'another' }),
  service('sticky', { type: 'NodePort', sessionAffinity: 'ClientIP' }),
  service('balanced', { type: 'LoadBalancer' }),
  service('without-pods', { selector: undefined, ports: [{ port: 5432 }] }),
]

describe.withCluster('service rules', { agents: 1, images: ['node:24-slim'], manifests, setupTimeout: 90_000 }, (test) => {
  test('Services that nodes treat in ways of their own keep neither a suite nor a restart waiting', async ({ cluster, request }) => {
    await cluster.restart('deployment/stock')
    for (const name of ['stock', 'sticky', 'balanced']) await request(name).get('/').expect(200)
  })
})
