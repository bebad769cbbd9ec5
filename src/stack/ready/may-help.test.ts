import { expect, test } from 'vitest'

import type { KubeObject } from '../../kube/object.ts'
import type { KubeEvent } from '../../kube/types.ts'
import { deployment, judge, metadata, noFacts, pod, ready, running } from '../../testing/cluster-states.ts'

const rolling = { replicas: 1, updatedReplicas: 1 }
const lacking = (secret: string) => ({
  state: { waiting: { reason: 'CreateContainerConfigError', message: `secret "${secret}" not found` } },
})
const creating = { state: { waiting: { reason: 'ContainerCreating' } } }

const withAccount = (object: KubeObject, serviceAccountName: string): KubeObject => ({
  ...object,
  spec: { ...(object['spec'] as object), template: { spec: { serviceAccountName } } },
})
const bindingOf = (name: string, more: object = {}): KubeObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: metadata(name, more),
  subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
})
const facts = { ...noFacts, bindings: [bindingOf('maker')] }
const states = (...args: Parameters<typeof judge>) => judge(...args).map((each) => each.state)

test('what lacks a Secret waits for what is still starting and may make one, and for nothing else', () => {
  const app = deployment('a', rolling)
  const other = deployment('b', rolling)
  const pods = [pod('a', lacking('s')), pod('b', creating)]
  expect(states([app, other], pods, { facts })).toEqual(['failed', 'pending'])
  expect(states([app, withAccount(other, 'maker')], pods, { facts })).toEqual(['pending', 'pending'])
  // Every cluster has bindings for all who log in.
  const builtIn = bindingOf('maker', { labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } })
  expect(states([app, withAccount(other, 'maker')], pods, { facts: { ...noFacts, bindings: [builtIn] } })).toEqual(['failed', 'pending'])
  // What is not there yet may be anything.
  expect(judge([app, withAccount(other, 'maker')], pods, { objects: [app], facts: noFacts })[0]).toMatchObject({ state: 'pending' })
})

test('what is stuck itself helps nobody, unless it is helped in turn', () => {
  const a = withAccount(deployment('a', rolling), 'maker')
  const b = withAccount(deployment('b', rolling), 'maker')
  const pods = [pod('a', lacking('s')), pod('b', lacking('t'))]
  expect(states([a, b], pods, { facts })).toEqual(['failed', 'failed'])
  const c = withAccount(deployment('c', rolling), 'maker')
  expect(states([a, b, c], [...pods, pod('c', creating)], { facts })).toEqual(['pending', 'pending', 'pending'])
})

test('an object that is there by now is looked for again, and an operator that is ready gets time to make one', () => {
  const app = deployment('a', rolling)
  const pods = [pod('a', lacking('s'))]
  const isPresent = ({ kind, namespace, name }: { kind: string; namespace: string; name: string }) =>
    `${kind} ${namespace}/${name}` === 'Secret default/s'
  expect(judge([app], pods, { facts: { ...facts, isPresent } })).toMatchObject([{ state: 'pending' }])
  expect(judge([app], pods, { facts })).toMatchObject([{ state: 'failed', grace: 2000 }])
  const { spec, ...rest } = pod('operator', running, {
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  })
  const operator = { ...rest, spec: { ...spec!, serviceAccountName: 'maker' } }
  const now = Date.parse('2026-01-01T00:00:00Z')
  expect(judge([app], [...pods, operator], { facts, now: now + 20_000 })).toMatchObject([{ state: 'failed', grace: 30_000 }])
  expect(judge([app], [...pods, operator], { facts, now: now + 60_000 })).toMatchObject([{ state: 'failed', grace: 10_000 }])
  const custom: KubeObject = { apiVersion: 'example.com/v1', kind: 'Shop', metadata: metadata('shop') }
  expect(judge([app, custom], [...pods, operator], { facts, now: now + 60_000 })).toMatchObject([{ state: 'failed', grace: 30_000 }])
})

test('a pod that nobody applied may help while it starts', () => {
  const { spec, ...rest } = pod('made', creating, { created: '2026-01-01T00:00:00Z' })
  const made = { ...rest, spec: { ...spec!, serviceAccountName: 'maker' } }
  const judgeAt = (now: string) => states([deployment('a', rolling)], [pod('a', lacking('s')), made], { facts, now: Date.parse(now) })
  expect(judgeAt('2026-01-01T00:02:00Z')).toEqual(['pending'])
  expect(judgeAt('2026-01-01T00:04:00Z')).toEqual(['failed'])
})

test('a pod of another namespace helps only where it may write, and one that never will be ready helps nobody', () => {
  const elsewhere = (name: string, container: object, serviceAccountName = 'default') => {
    const { metadata: own, spec, ...rest } = pod(name, container)
    return { ...rest, metadata: { ...own, namespace: 'elsewhere' }, spec: { ...spec!, serviceAccountName } }
  }
  const judgeBeside = (...others: ReturnType<typeof pod>[]) => {
    const bindings = [
      bindingOf('maker'),
      { ...bindingOf('reader'), kind: 'ClusterRoleBinding', subjects: [{ kind: 'ServiceAccount', name: 'all', namespace: 'elsewhere' }] },
      { ...bindingOf('local', { namespace: 'elsewhere' }), subjects: [{ kind: 'ServiceAccount', name: 'local', namespace: 'elsewhere' }] },
    ]
    return states([deployment('a', rolling)], [pod('a', lacking('s')), ...others], { facts: { ...noFacts, bindings } })
  }
  expect(judgeBeside(elsewhere('b', creating))).toEqual(['failed'])
  expect(judgeBeside(elsewhere('b', creating, 'local'))).toEqual(['failed'])
  expect(judgeBeside(elsewhere('b', creating, 'all'))).toEqual(['pending'])
  const absentImage = { state: { waiting: { reason: 'ErrImagePull', message: 'manifest unknown' } } }
  expect(judgeBeside(elsewhere('b', absentImage, 'all'))).toEqual(['failed'])
})

test('a seed or a release may help once its own workload does not wait for it', () => {
  const app = deployment('a', rolling)
  const database = deployment('b', rolling)
  const pods = [pod('a', lacking('s')), pod('b', creating)]
  expect(states([app, database], pods, {}, [{ after: [database] }])).toEqual(['pending', 'pending'])
  expect(states([app, database], pods, {}, [{ after: [app] }])).toEqual(['failed', 'pending'])
  expect(states([app, database], pods, {}, [{ after: [] }])).toEqual(['pending', 'pending'])
})

test('room comes from what ends by itself alone', () => {
  const full = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes are available: 1 Insufficient cpu.' }
  const big = pod('a', {}, { phase: 'Pending', conditions: [full] })
  const job: KubeObject = { apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('once'), spec: {}, status: {} }
  expect(states([deployment('a', rolling), deployment('b', rolling)], [big, pod('b', creating)])).toEqual(['failed', 'pending'])
  expect(states([deployment('a', rolling), job], [big])).toEqual(['pending', 'pending'])
})

test('a later event says that a volume is there', () => {
  const event = (reason: string, second: number): KubeEvent => ({
    metadata: {},
    involvedObject: { kind: 'Pod', name: 'a', namespace: 'default' },
    reason,
    message: 'secret "s" not found',
    lastTimestamp: `2026-01-01T00:00:0${second}Z`,
  })
  const events = (...list: KubeEvent[]) => states([deployment('a', rolling)], [pod('a', { ...creating, started: false })], { events: list })
  expect(events(event('FailedMount', 1))).toEqual(['failed'])
  expect(events(event('Pulling', 2), event('FailedMount', 1))).toEqual(['pending'])
})

test('a Job that was complete stays so when it is deleted; what was deleted otherwise is not waited for', () => {
  const job = (status: object): KubeObject => ({ apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('once'), spec: {}, status })
  const complete = job({ conditions: [{ type: 'Complete', status: 'True' }] })
  const gone = { objects: [deployment('a', ready)] }
  expect(states([job({})], [], { ...gone, deleted: [complete] })).toEqual(['ready'])
  expect(states([job({})], [], gone)).toEqual(['pending'])
  const events: KubeEvent[] = [{ metadata: {}, involvedObject: { kind: 'Job', name: 'once', namespace: 'default' }, reason: 'Completed' }]
  expect(states([job({})], [], { ...gone, events })).toEqual(['ready'])
  expect(judge([job({})], [], { ...gone, deleted: [job({})] })).toMatchObject([
    { state: 'failed', reason: 'was deleted after it was applied' },
  ])
})
