import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

import type { KubeObject } from '../../kube/object.ts'
import type { KubeEvent, PersistentVolumeClaim, Pod } from '../../kube/types.ts'
import { deployment, judge, metadata, noFacts, pod } from '../../testing/cluster-states.ts'
import { type Rule, reasons, ruleFor } from './reasons.ts'
import type { ClusterState } from './verdict.ts'

type Area = keyof typeof reasons

const sources = JSON.parse(await readFile('fixtures/kubernetes/reasons.json', 'utf8')) as Record<Area | 'unschedulable', string[]> & {
  version: string
}

test('no reason in the sources of Kubernetes is missing from the table', async () => {
  for (const area of Object.keys(reasons) as Area[])
    expect(sources[area].filter((reason) => !(reason.replace(/^OutOf.*/, 'OutOf') in reasons[area]))).toEqual([])
  for (const words of sources.unschedulable)
    expect(ruleFor('condition', 'Unschedulable', `0/1 nodes are available: 1 ${words}.`)).toHaveProperty('needs')
  // When the node image gets another Kubernetes: node scripts/docs/kubernetes-reasons.ts
  expect(await readFile('fixtures/node/kube/go.mod', 'utf8')).toContain(`k8s.io/kubernetes ${sources.version}`)
})

const waiting = { state: { waiting: { reason: 'ContainerCreating' } }, started: false }
const rolling = { replicas: 1, updatedReplicas: 1 }
const event = (kind: string, name: string, reason: string, message: string): KubeEvent => ({
  metadata: {},
  type: 'Warning',
  involvedObject: { kind, name, namespace: 'default' },
  reason,
  message,
})

type Case = readonly [objects: KubeObject[], pods: Pod[], more?: Partial<ClusterState>]

const ofClaims = new Set([
  'FailedBinding',
  'ProvisioningFailed',
  'ExternalProvisioning',
  'Provisioning',
  'VolumeMismatch',
  'ClaimMisbound',
  'ClaimLost',
])
const ofWorkloads = new Set(['FailedCreate', 'SelectingAll', 'ConflictingController', 'UnknownCompletionMode'])
const ofPods = new Set(['Unschedulable', 'SchedulingGated', 'SchedulerError'])

/** A workload that has nothing but that reason. */
const cases: Readonly<Record<Area, (reason: string, message: string) => Case>> = {
  container: (reason, message) => [[deployment('a', rolling)], [pod('a', { state: { waiting: { reason, message } }, started: false })]],
  pod(reason, message) {
    const rejected = [1, 2, 3].map((index) => ({ ...pod('a', {}), status: { phase: 'Failed', reason, message, podIP: `${index}` } }))
    return [[deployment('a', {})], rejected]
  },
  condition(reason, message) {
    if (ofPods.has(reason))
      return [
        [deployment('a', rolling)],
        [pod('a', waiting, { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason, message }] })],
      ]
    if (reason === 'DeploymentPaused') return [[deployment('a', {}, { paused: true })], []]
    if (['BackoffLimitExceeded', 'DeadlineExceeded', 'PodFailurePolicy', 'FailedIndexes', 'MaxFailedIndexesExceeded'].includes(reason)) {
      const status = { conditions: [{ type: 'Failed', status: 'True', reason, message }] }
      return [[{ apiVersion: 'batch/v1', kind: 'Job', metadata: metadata('a'), spec: {}, status }], []]
    }
    const condition = reason.startsWith('Failed') ? { type: 'ReplicaFailure', status: 'True' } : { type: 'Progressing', status: 'False' }
    return [[deployment('a', { conditions: [{ ...condition, reason, message }] })], []]
  },
  event(reason, message) {
    if (ofWorkloads.has(reason)) {
      const object = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: metadata('a'), spec: {}, status: { observedGeneration: 1 } }
      return [[object], [], { events: [event('StatefulSet', 'a', reason, message)] }]
    }
    if (!ofClaims.has(reason)) return [[deployment('a', rolling)], [pod('a', waiting)], { events: [event('Pod', 'a', reason, message)] }]
    const claim = {
      metadata: metadata('data'),
      spec: {},
      status: { phase: reason === 'ClaimLost' ? 'Lost' : 'Pending' },
    } as PersistentVolumeClaim
    const { spec, ...rest } = pod('a', waiting, { phase: 'Pending' })
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }]
    const facts = { ...noFacts, claims: [claim] }
    return [
      [deployment('a', rolling)],
      [{ ...rest, spec: { ...spec!, volumes } }],
      { facts, events: [event('PersistentVolumeClaim', 'data', reason, message)] },
    ]
  },
}

/** A Job that is bound to a role: it may make objects, and it leaves room when it ends. */
const helper: KubeObject = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: metadata('maker'),
  spec: { template: { spec: { serviceAccountName: 'maker' } } },
  status: {},
}
const binding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: metadata('maker'),
  subjects: [{ kind: 'ServiceAccount', name: 'maker', namespace: 'default' }],
}

function statesOf([objects, pods, more = {}]: Case) {
  const facts = { ...noFacts, ...more.facts, bindings: [binding] }
  const alone = judge(objects, pods, more)[0]!
  const helped = judge([...objects, helper], pods, { ...more, facts })[0]!
  return [alone.state, helped.state] as const
}

const expected: Readonly<Record<Rule['verdict'], readonly [string, string]>> = {
  wait: ['pending', 'pending'],
  final: ['failed', 'failed'],
  unless: ['failed', 'pending'],
}

const rows = (Object.keys(reasons) as Area[]).flatMap((area) => Object.keys(reasons[area]).map((reason) => [area, reason] as const))
test.for(rows)('%s %s means what the table says, alone and beside something that may help', ([area, reason]) => {
  const { verdict } = ruleFor(area, reason, 'words')
  expect(statesOf(cases[area](reason, 'words'))).toEqual(expected[verdict])
})

/** The words decide. */
const words: readonly (readonly [Area, string, string, Rule['verdict']])[] = [
  ['container', 'CreateContainerConfigError', 'secret "absent" not found', 'unless'],
  ['container', 'CreateContainerConfigError', "couldn't find key b in ConfigMap default/has-a", 'unless'],
  ['container', 'CreateContainerConfigError', 'container has runAsNonRoot and image will run as root (pod: "a", container: app)', 'final'],
  ['container', 'CreateContainerConfigError', 'services have not yet been read at least once, cannot construct envvars', 'wait'],
  ['container', 'ErrImagePull', 'manifest unknown', 'final'],
  ['container', 'ErrImagePull', 'dial tcp 127.0.0.1:5000: connection refused', 'unless'],
  ['container', 'ImagePullBackOff', 'unauthorized: authentication required', 'unless'],
  ['condition', 'Unschedulable', '0/1 nodes are available: 1 Insufficient memory.', 'unless'],
  ['condition', 'Unschedulable', "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", 'unless'],
  [
    'condition',
    'FailedCreate',
    'pods "a-" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1',
    'unless',
  ],
  ['event', 'FailedCreate', 'namespaces "a" is being terminated', 'final'],
  [
    'event',
    'FailedCreate',
    'create Pod a-0 in StatefulSet a failed error: pods "a-0" is forbidden: error looking up service account default/runner: serviceaccount "runner" not found',
    'unless',
  ],
  [
    'event',
    'FailedMount',
    'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /var/run/docker.sock is not a socket file',
    'unless',
  ],
  ['event', 'FailedCreatePodSandBox', 'failed to get sandbox image "pause:3": failed to pull: no such host', 'final'],
  ['event', 'FailedCreatePodSandBox', 'unable to get OCI runtime: no runtime for "gvisor" is configured', 'unless'],
  ['event', 'ProvisioningFailed', 'storageclass.storage.k8s.io "gp3" not found', 'unless'],
]
test.for(words)('%s %s: %s', ([area, reason, message, verdict]) => {
  expect(ruleFor(area, reason, message).verdict).toBe(verdict)
  expect(statesOf(cases[area](reason, message))).toEqual(expected[verdict])
})
