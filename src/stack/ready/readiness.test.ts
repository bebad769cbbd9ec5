import { describe, expect, test } from 'vitest'

import type { KubeObject } from '../../kube/object.ts'
import type { Pod } from '../../kube/types.ts'
import { crashed, deployment, judge, metadata, pod, ready, running } from '../../testing/cluster-states.ts'

test('a Deployment is ready when all its pods are of this generation and available', () => {
  expect(judge([deployment('a', ready)], [pod('a', running)])).toMatchObject([{ target: 'deployment/a', state: 'ready' }])
  expect(judge([deployment('a', { ...ready, observedGeneration: 0 })], [])).toMatchObject([
    { state: 'pending', reason: 'not seen by the controller yet' },
  ])
  expect(judge([deployment('a', { ...ready, replicas: 2 })], [pod('a', running)])).toMatchObject([
    { state: 'pending', reason: expect.stringMatching(/^1 of 1 pods ready, rolling out/) },
  ])
})

test('a container without a probe has to run for a while', () => {
  const objects = [deployment('a', ready)]
  const pods = [pod('a', running, { probed: false })]
  expect(judge(objects, pods, { runningFor: () => 2400 })).toMatchObject([{ state: 'pending', reason: 'has just started' }])
  expect(judge(objects, pods, { runningFor: () => 2500 })).toMatchObject([{ state: 'ready' }])
})

describe('a crash', () => {
  const waiting = { replicas: 1, updatedReplicas: 1 }

  test('is final when everything else is ready', () => {
    expect(judge([deployment('a', waiting), deployment('b', ready)], [pod('a', crashed(0)), pod('b', running)])).toMatchObject([
      { target: 'deployment/a', state: 'failed', reason: 'pod "a", container "app" ended with exit code 1, restarted 0 times' },
      { state: 'ready' },
    ])
  })

  test('is a wait while neighbours start or a seed runs, until the fourth', () => {
    const neighbours = [deployment('a', waiting), deployment('b', waiting)]
    const states = (restarts: number) =>
      judge(neighbours, [pod('a', crashed(restarts)), pod('b', { state: { waiting: { reason: 'ContainerCreating' } } })]).map(
        (each) => each.state,
      )
    expect([0, 1, 2].map(states)).toEqual(Array.from({ length: 3 }, () => ['pending', 'pending']))
    expect(states(3)).toEqual(['failed', 'pending'])
    expect(judge([deployment('a', waiting)], [pod('a', crashed(1))], {}, [{ after: [] }])).toMatchObject([{ state: 'pending' }])
  })
})

test('a database that failed once is not ready, even if it answers after its restart', () => {
  const restarted = (image: string, exitCode: number, container: object = {}) => {
    const status = { ...running, restartCount: 1, lastState: { terminated: { exitCode } } }
    const { spec, ...rest } = pod('a', status)
    return { ...rest, spec: { containers: [{ ...spec!.containers[0]!, image, ...container }] } } as Pod
  }
  const states = (...args: Parameters<typeof restarted>) => judge([deployment('a', ready)], [restarted(...args)])[0]!.state
  const images = [
    'postgres:17',
    'mirror.example.com/library/mariadb@sha256:0',
    'mongo',
    'pgvector/pgvector:pg17',
    'timescale/timescaledb-ha:pg17',
  ]
  for (const image of [...images, 'mysql/mysql-server:8.0', 'percona:8.0']) expect(states(image, 3)).toBe('failed')
  // An image of one's own is known by its variables, and an application that logs in with the same ones by where it finds its database.
  const own = (names: readonly string[], more: object = {}) =>
    states('db:vk-0123', 3, { env: names.map((name) => ({ name, value: 'x' })), ...more })
  for (const name of ['POSTGRES_PASSWORD', 'MYSQL_ROOT_PASSWORD', 'MARIADB_USER', 'MONGO_INITDB_DATABASE']) {
    expect(own([name])).toBe('failed')
    expect(own([name], { ports: [{ containerPort: 8080 }] })).toBe('ready')
    for (const where of ['POSTGRES_HOST', 'DATABASE_URL']) expect(own([name, where])).toBe('ready')
  }
  expect(own(['POSTGRES_PASSWORD'], { ports: [{ containerPort: 5432 }] })).toBe('failed')
  expect(own(['LOG_LEVEL'])).toBe('ready')
  // An application, a killed database, one that was stopped, a client of its image.
  expect([states('postgres-exporter:1', 3), states('postgres:17', 137), states('postgres:17', 0)]).toEqual(['ready', 'ready', 'ready'])
  expect(states('postgres:17', 3, { command: ['psql'] })).toBe('ready')
})

test.for([
  ['MountVolume.SetUp failed for volume "cfg" : configmap references non-existent config key: absent', 'failed', 3000],
  ['MountVolume.SetUp failed for volume "keys" : references non-existent secret key: absent', 'failed', 3000],
  ['MountVolume.SetUp failed for volume "keys" : secret "absent" not found', 'failed', 3000],
  ['MountVolume.SetUp failed for volume "data" : rpc error: code = Unavailable', 'failed', 30_000],
] as const)('kubelet says: %s', ([message, expected, grace]) => {
  const events = [{ metadata: {}, involvedObject: { name: 'a', namespace: 'default' }, reason: 'FailedMount', message }]
  const waiting = pod('a', { state: { waiting: { reason: 'ContainerCreating' } }, started: false })
  expect(judge([deployment('a', { replicas: 1, updatedReplicas: 1 })], [waiting], { events })).toMatchObject([
    { state: expected, ...(grace && { reason: `pod "a": ${message}`, grace }) },
  ])
})

test('without the image that holds the namespaces of a pod, no pod comes up', () => {
  const image = 'registry.k8s.io/pause:3.10'
  const judgeEvent = (why: string, container: object = { state: { waiting: { reason: 'ContainerCreating' } }, started: false }) => {
    const message = `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox "4f2a": failed to get sandbox image "${image}": ${why}`
    const events = [{ metadata: {}, involvedObject: { name: 'a', namespace: 'default' }, reason: 'FailedCreatePodSandBox', message }]
    return judge([deployment('a', { replicas: 1, updatedReplicas: 1 })], [pod('a', container)], { events })[0]
  }
  const final = `failed to pull image "${image}": dial tcp: lookup registry.k8s.io: no such host`
  expect(judgeEvent(final)).toMatchObject({
    state: 'failed',
    reason: `pod "a": image "${image}", which every pod needs ("pause"), cannot be pulled: ${final}`,
    grace: 3000,
  })
  expect(judgeEvent('i/o timeout')).toMatchObject({ state: 'failed', grace: 15_000 })
  expect(judgeEvent(final, { ...running, started: true })).toMatchObject({ state: 'pending' })
})

test('an image that may come with the next try is waited for longer than one that is not there', () => {
  const pulling = (message: string) => [pod('a', { state: { waiting: { reason: 'ErrImagePull', message } } })]
  expect(judge([deployment('a', { replicas: 1, updatedReplicas: 1 })], pulling('i/o timeout'))).toMatchObject([
    { state: 'failed', grace: 15_000 },
  ])
  expect(judge([deployment('a', { replicas: 1, updatedReplicas: 1 })], pulling('manifest unknown'))).toMatchObject([
    { state: 'failed', reason: 'pod "a": image "x" cannot be pulled: manifest unknown' },
  ])
})

test('a Service is ready with its first endpoint; one without a selector at once', () => {
  const service = (name: string, spec: object): KubeObject => ({ apiVersion: 'v1', kind: 'Service', metadata: metadata(name), spec })
  const own = [
    deployment('a', ready),
    service('a', { selector: { app: 'a' }, ports: [{ port: 80 }] }),
    service('outside', { type: 'ExternalName', externalName: 'x' }),
  ]
  const slice = {
    metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': 'a' } },
    ports: [{ port: 80 }],
    endpoints: [{ addresses: ['10.42.0.2'], conditions: { ready: true } }],
  }
  expect(judge(own, [pod('a', running)]).map((each) => [each.target, each.state])).toEqual([
    ['deployment/a', 'ready'],
    ['service/a', 'pending'],
    ['service/outside', 'ready'],
  ])
  expect(judge(own, [pod('a', running)], { endpointSlices: [slice] })[1]).toMatchObject({ state: 'ready' })
})

test('pods of others, and of an older revision, say nothing about a Deployment', () => {
  const own = pod('a', running, { created: '2026-01-02T00:00:00Z' })
  const migration = pod('a', { state: { terminated: { exitCode: 1 } } }, { phase: 'Failed', owner: 'job-migrate' })
  expect(judge([deployment('a', ready)], [own, migration])).toMatchObject([{ state: 'ready' }])

  const broken = pod('a', crashed(2), { owner: 'a-0ld', created: '2026-01-01T00:00:00Z' })
  const rolling = { replicas: 2, updatedReplicas: 1, availableReplicas: 0 }
  const starting = pod('a', { state: { waiting: { reason: 'ContainerCreating' } } }, { created: '2026-01-02T00:00:00Z' })
  expect(judge([deployment('a', rolling)], [broken, starting])).toMatchObject([{ state: 'pending' }])
  expect(judge([deployment('a', { replicas: 1, updatedReplicas: 0 })], [broken])).toMatchObject([{ state: 'pending' }])
})

test('a Service whose workloads are scaled to none, or are Jobs, needs no endpoint', () => {
  const service: KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata('a'),
    spec: { selector: { app: 'a' }, ports: [{ port: 80 }] },
  }
  const template = { metadata: { labels: { app: 'a' } } }
  expect(judge([deployment('a', {}, { replicas: 0, template }), service], [])).toMatchObject([
    { state: 'ready' },
    { target: 'service/a', state: 'ready' },
  ])
  const job: KubeObject = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadata('a'),
    spec: { template },
    status: { conditions: [{ type: 'Complete', status: 'True' }] },
  }
  expect(judge([job, service], [])).toMatchObject([{ state: 'ready' }, { target: 'service/a', state: 'ready' }])
  expect(judge([service], [])).toMatchObject([
    { target: 'service/a', state: 'failed', reason: 'has no endpoints: no pod has the labels app=a', grace: 1000 },
  ])
  expect(judge([service, { apiVersion: 'example.com/v1', kind: 'Shop', metadata: metadata('a') }], [])).toMatchObject([
    { state: 'failed', grace: 30_000 },
  ])
})
