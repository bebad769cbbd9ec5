import type { KubeObject } from '../kube/object.ts'
import { nodeApp } from './node-app.ts'

/** A busy machine may take seconds for an answer. */
const probe = { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 3 }
const exit = `process.on('SIGTERM', () => process.exit(0));`
const ports = [{ name: 'app', containerPort: 3000 }]
const service = { ports: [{ name: 'app', port: 80, targetPort: 3000 }] }

/** Of grpc.health.v1 just the answer SERVING, a message of two bytes. */
const grpcHealth = `${exit}
require('node:http2').createServer().on('stream', (stream) => {
  // kubelet resets a probe that it does not wait for any longer.
  stream.on('error', () => {})
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(Buffer.of(0, 0, 0, 0, 2, 8, 1))
}).listen(3000)`
const httpServer = `${exit} require('node:http').createServer((q, r) => r.end('pod')).listen(3000)`
const call = `fetch('http://127.0.0.1:3000/exec').then((response) => process.exit(response.ok ? 0 : 1), () => process.exit(1))`

const grpc = { ...probe, grpc: { port: 3000 } }
const tcp = { ...probe, tcpSocket: { port: 'app' } }
/** A process may take seconds to start, for which no liveness probe may end it. */
const all = (each: object) => ({ startupProbe: { ...each, failureThreshold: 60 }, readinessProbe: each, livenessProbe: each })
const exec = { periodSeconds: 2, timeoutSeconds: 20, failureThreshold: 5, exec: { command: ['node', '-e', call] } }

/** One workload for each kind of probe: `probed-grpc`, `probed-tcp`, `probed-startup`, `probed-exec`. */
export const probedApps: readonly KubeObject[] = [
  ...nodeApp('probed-grpc', { ports, service, container: all(grpc) }, grpcHealth),
  ...nodeApp('probed-tcp', { ports, service, container: all(tcp) }, httpServer),
  ...nodeApp(
    'probed-startup',
    { ports, service, container: { startupProbe: { ...probe, failureThreshold: 30, httpGet: { path: '/started', port: 'app' } } } },
    httpServer,
  ),
  ...nodeApp('probed-exec', { ports, service, container: { readinessProbe: exec } }, httpServer),
]
