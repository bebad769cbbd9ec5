import type { KubeObject } from '../kube/object.ts'

export interface NodeAppOptions {
  readonly replicas?: number
  readonly kind?: 'Deployment' | 'StatefulSet' | 'DaemonSet'
  /** Of the container, besides name, image, command and ports. */
  readonly container?: object
  /** Of the pod, besides its containers. */
  readonly pod?: object
  /** Further containers. */
  readonly sidecars?: readonly object[]
  /** Of the Service. */
  readonly service?: object
  readonly ports?: readonly object[]
}

/** A workload whose one container runs a script of Node.js, and its Service on port 80. The default answers `pod NAME`. */
export function nodeApp(name: string, options: NodeAppOptions = {}, script = answerPod): KubeObject[] {
  const {
    replicas = 1,
    kind = 'Deployment',
    container,
    pod,
    sidecars = [],
    service,
    ports = [{ name: 'http', containerPort: 3000 }],
  } = options
  const labels = { app: name }
  const app = { name: 'app', image: 'node:24-slim', command: ['node', '-e', script], ports, ...container }
  return [
    {
      apiVersion: 'apps/v1',
      kind,
      metadata: { name },
      spec: {
        ...(kind === 'DaemonSet' ? {} : { replicas }),
        ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers: [app, ...sidecars], ...pod } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 3000 }], ...service },
    },
  ]
}

const answerPod = `
const http = require('node:http')
process.on('SIGTERM', () => process.exit(0))
http.createServer((request, response) => response.end('pod ' + require('node:os').hostname())).listen(3000)
`
