import type { KubeObject } from '../kube/object.ts'

/** A Deployment that answers HTTP with a fixed text, and its Service: the smallest workload there is. */
export function echoApp(
  name: string,
  { text = name, replicas = 1, namespace }: { text?: string; replicas?: number; namespace?: string } = {},
): KubeObject[] {
  const metadata = { name, ...(namespace ? { namespace } : {}) }
  const labels = { app: name }
  const command = ['sh', '-c', `mkdir -p /www && printf '%s' '${text}' > /www/index.html && exec httpd -f -p 8080 -h /www`]
  const container = {
    name: 'app',
    image: 'busybox:1.37',
    command,
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 1 },
  }
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } },
      },
    },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }] } },
  ]
}

/** A bare Pod that runs one shell line. */
export function shellPod(name: string, line: string, spec: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: 'busybox:1.37', command: ['sh', '-c', line] }],
      ...spec,
    },
  }
}
