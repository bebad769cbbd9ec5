import { createHash } from 'node:crypto'

import type { KubeObject } from '../../kube/object.ts'
import { publicKeysAnnotation } from '../../kube/secrets.ts'
import type { Manifest } from '../manifests/manifests.ts'
import { clusterAddress, endpoint } from './connection.ts'
import type { ServiceDefinition, ServiceProbe } from './definition.ts'

/** The objects of a service: a Secret with all that a client needs, a Service and a StatefulSet, each of the service's name. */
export function serviceManifests(name: string, definition: ServiceDefinition, namespace: string): readonly Manifest[] {
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/managed-by': 'vitest-kubernetes' }
  const metadata = { name, namespace, labels }
  const secret = secretData(name, definition, namespace)
  const objects: KubeObject[] = [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { ...metadata, annotations: { [publicKeysAnnotation]: publicKeys(secret, definition).join(',') } },
      stringData: secret,
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: selectorOf(name), ports: Object.entries(definition.ports).map(([port, number]) => ({ name: port, port: number })) },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata,
      spec: {
        serviceName: name,
        selector: { matchLabels: selectorOf(name) },
        template: {
          metadata: { labels: { ...labels, ...selectorOf(name) }, annotations: { [`${label}.configuration`]: digest(secret) } },
          spec: podSpec(name, definition, namespace),
        },
        ...(definition.dataPath && definition.storage === 'persistent'
          ? {
              volumeClaimTemplates: [
                {
                  apiVersion: 'v1',
                  kind: 'PersistentVolumeClaim',
                  metadata: { name: 'data' },
                  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: definition.size } } },
                },
              ],
            }
          : {}),
      },
    },
  ]
  return objects.map((object) => ({ object, origin: `of service "${name}"` }))
}

const label = 'vitest-kubernetes.service'

function selectorOf(name: string): Record<string, string> {
  return { [label]: name }
}

/** A pod does not notice that its variables would be others now. */
function digest(data: object): string {
  return createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 16)
}

function secretData(name: string, definition: ServiceDefinition, namespace: string): Record<string, string> {
  const details = Object.entries(definition.details as Record<string, string | undefined>).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const { url, host, port } = endpoint(definition, clusterAddress(name, namespace, definition))
  return {
    url,
    host,
    port: String(port),
    ...Object.fromEntries(details),
    ...definition.secretEnv,
    ...Object.fromEntries(Object.entries(definition.files).map(([path, content]) => [baseOf(path), content])),
  }
}

/** Reports would not tell what cannot be reached: only a password is redacted, and what has it in it. */
function publicKeys(secret: Readonly<Record<string, string>>, { details, secretEnv }: ServiceDefinition): readonly string[] {
  const { password } = details as { readonly password?: string }
  const login = Object.keys(details).filter((key) => key !== 'password')
  const whole = password === undefined ? Object.keys(secret).filter((key) => !(key in secretEnv)) : []
  return [...new Set(['host', 'port', ...login, ...whole])].filter((key) => key in secret)
}

function podSpec(name: string, definition: ServiceDefinition, namespace: string): Record<string, unknown> {
  const { image, command, args, ports, env, secretEnv, files, started, ready, storage, dataPath } = definition
  const paths = Object.keys(files)
  const mounts = [
    ...(dataPath ? [{ name: 'data', mountPath: dataPath }] : []),
    ...paths.map((path) => ({ name: 'files', mountPath: path, subPath: baseOf(path), readOnly: true })),
  ]
  return {
    // Variables of other Services are taken for settings by some images, Kafka's and RabbitMQ's among them.
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: storage === 'persistent' ? 30 : 1,
    containers: [
      {
        name,
        image,
        ...(command ? { command } : {}),
        ...(args.length > 0 ? { args } : {}),
        ports: Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort })),
        env: [
          { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'SERVICE_HOST', value: clusterAddress(name, namespace, definition).host },
          ...Object.keys(secretEnv).map((key) => ({ name: key, valueFrom: { secretKeyRef: { name, key } } })),
          ...Object.entries(env).map(([key, value]) => ({ name: key, value })),
        ],
        // The set-up has a deadline of its own: a slow machine is no reason for a restart.
        ...(started ? { startupProbe: { ...probe(started, ports), periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 600 } } : {}),
        readinessProbe: { ...probe(ready, ports), periodSeconds: started ? 5 : 1, timeoutSeconds: 5 },
        ...(mounts.length > 0 ? { volumeMounts: mounts } : {}),
      },
    ],
    volumes: [
      ...(dataPath && storage === 'throwaway' ? [{ name: 'data', emptyDir: {} }] : []),
      ...(paths.length > 0 ? [{ name: 'files', secret: { secretName: name } }] : []),
    ],
  }
}

function probe(by: ServiceProbe, ports: ServiceDefinition['ports']): Record<string, unknown> {
  if ('exec' in by) return { exec: { command: by.exec } }
  if ('http' in by) return { httpGet: { path: by.http, port: by.port ?? Object.values(ports)[0] } }
  return { tcpSocket: { port: by.tcp } }
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
