import type { KubeObject } from '../kube/object.ts'
import { nodeApp } from './node-app.ts'

const proxy = `
process.on('SIGTERM', () => process.exit(0))
const http = require('node:http')
http.createServer((request, response) => {
  const headers = { ...request.headers, 'x-forwarded-client-cert': 'By=spiffe://cluster.local/meshed' }
  const inner = http.request({ host: '127.0.0.1', port: 3000, path: request.url, method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  inner.on('error', () => response.writeHead(502).end())
  request.pipe(inner)
}).listen(15001)`

/** `meshed`: its Service leads to a proxy beside the app, as in a service mesh, and the proxy calls the app on loopback. */
export const proxiedApp: readonly KubeObject[] = nodeApp('meshed', {
  sidecars: [{ name: 'proxy', image: 'node:24-slim', command: ['node', '-e', proxy], ports: [{ name: 'proxy', containerPort: 15_001 }] }],
  service: { ports: [{ name: 'http', port: 80, targetPort: 'proxy' }] },
})

const namespace = 'restricted'

const careful = nodeApp('careful', {
  container: { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } },
  pod: { securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } } },
}).map((object) => ({ ...object, metadata: { ...object.metadata, namespace } }))

/** `careful` in a namespace that allows one pod, and that only with the restricted Pod Security Standard. */
export const restrictedApp: readonly KubeObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  },
  {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'limits', namespace },
    spec: { limits: [{ type: 'Container', default: { cpu: '500m', memory: '256Mi' }, defaultRequest: { cpu: '10m', memory: '64Mi' } }] },
  },
  {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'quota', namespace },
    spec: { hard: { pods: '1', 'requests.memory': '64Mi' } },
  },
  ...careful,
]
