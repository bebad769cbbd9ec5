import { expect, test } from 'vitest'

import type { KubeObject } from '../kube/object.ts'
import { type BridgedWorkload, checkStandIns, fillStandIns, planStandIns } from './stand-in.ts'

const container = {
  name: 'app',
  image: 'registry.example.com/shop/orders:1.2',
  command: ['node'],
  args: ['server.js'],
  workingDir: '/app',
  ports: [{ containerPort: 3000 }],
  env: [{ name: 'A', value: '1' }],
  volumeMounts: [{ name: 'v', mountPath: '/v' }],
  resources: { limits: { cpu: '1' } },
  readinessProbe: { tcpSocket: { port: 3000 } },
  livenessProbe: { tcpSocket: { port: 3000 } },
  startupProbe: { tcpSocket: { port: 3000 } },
  lifecycle: { preStop: { sleep: { seconds: 1 } } },
}
const worker = { name: 'worker', image: 'registry.example.com/shop/orders:1.2', args: ['work'] }
const sidecar = { name: 'sidecar', image: 'nginx:1' }
const migrate = { name: 'migrate', image: 'registry.example.com/shop/orders:1.3' }
const fetchIt = { name: 'fetch', image: 'busybox:1' }
const labels = { app: 'orders' }

const workload = (kind: string, namespace?: string, spec: object = {}): KubeObject => ({
  apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
  kind,
  metadata: { name: 'orders', ...(namespace ? { namespace } : {}) },
  spec: {
    template: { metadata: { labels }, spec: { containers: [container, worker, sidecar], initContainers: [migrate, fetchIt], ...spec } },
  },
})
const service: KubeObject = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'front' }, spec: { selector: labels } }

const noImages = { builds: [], pulls: [] }
const plan = (
  objects: readonly KubeObject[],
  bridged: BridgedWorkload,
  images: Parameters<typeof planStandIns>[1]['images'] = noImages,
) => {
  const planned = planStandIns(
    objects.map((object) => ({ object, origin: '' })),
    { bridged: [{ containerName: 'app', ...bridged }], images, namespace: 'default' },
  )
  return { ...planned, objects: planned.manifests.map(({ object }) => object) }
}

test('takes the program out and keeps what is around it, also in containers of the same image', async () => {
  const { manifests, notes } = plan([workload('Deployment')], { workload: 'deploy/orders', image: 'orders' })
  expect(notes).toEqual(['deployment/orders runs a stand-in for "registry.example.com/shop/orders:1.2", without init container "migrate"'])
  const [filled] = await fillStandIns(manifests, async () => ({ image: 'pause:3' }))
  const standIn = { image: 'pause:3', imagePullPolicy: 'IfNotPresent' }
  const { name, ports, env, volumeMounts, resources } = container
  expect(filled!.object).toMatchObject({
    spec: {
      template: {
        spec: {
          containers: [{ name, ports, env, volumeMounts, resources, ...standIn }, { name: 'worker', ...standIn }, sidecar],
          initContainers: [fetchIt],
        },
      },
    },
  })
  expect(
    Object.keys(
      (filled as unknown as { object: { spec: { template: { spec: { containers: object[] } } } } }).object.spec.template.spec
        .containers[0]!,
    ).toSorted(),
  ).toEqual(['env', 'image', 'imagePullPolicy', 'name', 'ports', 'resources', 'volumeMounts'])
})

test('decides by the image that is bridged, unless told', () => {
  const object = workload('Deployment')
  const isReplaced = (bridged: Omit<BridgedWorkload, 'workload'>, images = noImages as Parameters<typeof plan>[2]) =>
    plan([object], { workload: 'deployment/orders', ...bridged }, images).objects[0] !== object &&
    plan([object], { workload: 'deployment/orders', ...bridged }, images).notes.length > 0
  const brought = { builds: [{ name: 'orders', build: './orders', context: '/orders' }], pulls: [] }
  expect(isReplaced({ image: 'orders' })).toBe(true)
  expect(isReplaced({ image: 'registry.example.com/shop/orders' })).toBe(true)
  expect(isReplaced({ image: 'inventory' })).toBe(false)
  expect(isReplaced({})).toBe(false)
  expect(isReplaced({ image: 'orders' }, brought)).toBe(false)
  expect(isReplaced({ image: 'orders', standIn: false })).toBe(false)
  expect(isReplaced({ standIn: true }, brought)).toBe(true)
})

test('finds the workload by kind, name and namespace, and behind a Service', () => {
  const standIn = true
  const replaced = (objects: readonly KubeObject[], bridged: BridgedWorkload) => plan(objects, bridged).notes.length
  expect(replaced([workload('StatefulSet')], { workload: 'deployment/orders', standIn })).toBe(0)
  expect(replaced([workload('Deployment', 'other')], { workload: 'deployment/orders', standIn })).toBe(0)
  expect(replaced([workload('Deployment', 'other')], { workload: 'deployment/orders', namespace: 'other', standIn })).toBe(1)
  expect(replaced([workload('Deployment', 'default'), service], { workload: 'service/front', standIn })).toBe(1)
  expect(replaced([workload('Deployment', 'other'), service], { workload: 'service/front', standIn })).toBe(0)
  expect(replaced([workload('Job')], { workload: 'job/orders', image: 'orders' })).toBe(0)
})

test('says at once what cannot be', () => {
  const check = (objects: readonly KubeObject[], name: string) =>
    checkStandIns(
      objects.map((object) => ({ object, origin: '' })),
      { bridged: [{ workload: name, standIn: true }], namespace: 'default' },
    )
  expect(() => check([workload('Deployment'), service], 'deployment/order')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Option \`bridge["deployment/order"].standIn\` names a workload that is not in the manifests.
    Hint: They have "deployment/orders".]
  `)
  expect(() => check([workload('Job')], 'job/orders')).toThrow('cannot name a Job')
  expect(() => plan([workload('Deployment')], { workload: 'deployment/orders', containerName: 'web', standIn: true })).toThrow(
    'Workload "deployment/orders" has no container "web".',
  )
})

test('leaves manifests without a stand-in as they are, and asks no node', async () => {
  const manifests = [{ object: workload('Deployment'), origin: '' }]
  expect(await fillStandIns(manifests, () => Promise.reject(new Error('asked')))).toBe(manifests)
})
