import { execFileSync } from 'node:child_process'

import { expect, test } from 'vitest'

import type { WorkloadKind } from '../../kube/kinds.ts'
import { type PodMatch, isMatch, matchFunctions } from './pod-match.ts'

const hash = { 'pod-template-hash': '7d9f6c' }
const ofReplicaSet = { 'pod-template-hash': '6c7d9f', component: 'worker' }
const revision = { 'controller-revision-hash': '6c7d9f' }

/** Pods that bear the label `app: shop`, by name, with their owner and what else labels their kind has. */
const pods: Readonly<Record<string, readonly [owner: string, labels: Readonly<Record<string, string>>]>> = {
  'shop-7d9f6c-x2k4z': ['ReplicaSet/shop-7d9f6c', hash],
  'shop-worker-6c7d9f-x2k4z': ['ReplicaSet/shop-worker-6c7d9f', ofReplicaSet],
  'shop-b-6c7d9f-x2k4z': ['ReplicaSet/shop-b-6c7d9f', ofReplicaSet],
  'shop-worker-x2k4z': ['ReplicaSet/shop-worker', {}],
  'shop-bcdf-x2k4z': ['ReplicaSet/shop-bcdf', {}],
  'shop-rs-x2k4z': ['ReplicaSet/shop-rs', {}],
  'shop-x2k4z': ['DaemonSet/shop', { ...revision, 'pod-template-generation': '1' }],
  'shop-q2k4z': ['Job/shop', { 'job-name': 'shop' }],
  'shop-0-q2k4z': ['Job/shop', { 'job-name': 'shop' }],
  'shop-b-x2k4z': ['DaemonSet/shop-b', { ...revision, 'pod-template-generation': '1' }],
  'shop-0': ['StatefulSet/shop', { ...revision, 'statefulset.kubernetes.io/pod-name': 'shop-0' }],
  'shop-worker-0': ['StatefulSet/shop-worker', { ...revision, 'statefulset.kubernetes.io/pod-name': 'shop-worker-0' }],
  'shop-1': ['', {}],
  shop: ['', {}],
}

const ownLabels = Object.fromEntries(Object.entries(pods).map(([name, [, labels]]) => [name, labels]))
const workload = (kind: WorkloadKind, name: string): PodMatch => ({ namespace: 'default', lineage: [{ kind, name }] })

test.for([
  [workload('Deployment', 'shop'), ['shop-7d9f6c-x2k4z']],
  [workload('Deployment', 'shop-worker'), ['shop-worker-6c7d9f-x2k4z']],
  [workload('ReplicaSet', 'shop-7d9f6c'), ['shop-7d9f6c-x2k4z']],
  [workload('ReplicaSet', 'shop-worker'), ['shop-worker-x2k4z']],
  [workload('ReplicaSet', 'shop'), []],
  [workload('StatefulSet', 'shop'), ['shop-0']],
  [workload('DaemonSet', 'shop'), ['shop-x2k4z']],
  [workload('Job', 'shop'), ['shop-q2k4z', 'shop-0-q2k4z']],
  [workload('Pod', 'shop'), ['shop']],
  [{ namespace: 'default', selector: { app: 'shop', component: 'worker' } }, ['shop-worker-6c7d9f-x2k4z', 'shop-b-6c7d9f-x2k4z']],
  [{ namespace: 'default', selector: { app: 'shop' } }, Object.keys(pods)],
] as const)('the node recognises the same pods by name and labels as the API by owners: %j', ([match, expected]) => {
  expect(recognised(match)).toEqual(expected)
  expect(Object.keys(pods).filter((name) => isMatch(match, podOf(name)))).toEqual(expected)
})

test('recognises pods of a Deployment whose name is too long for theirs', () => {
  const name = `${'long-'.repeat(10)}nam`
  const pod = `${`${name}-7d9f6c-`.slice(0, 58)}x2k4z`
  const labels = { [pod]: hash }
  expect(recognised(workload('Deployment', name), labels)).toEqual([pod])
  expect(recognised(workload('Deployment', `${name}e`), labels)).toEqual([])
})

test('pods of other namespaces are none of them', () => {
  expect(recognised({ namespace: 'other', selector: { app: 'shop' } })).toEqual([])
})

function podOf(name: string) {
  const [owner, labels] = pods[name]!
  const [kind = '', of = ''] = owner.split('/')
  const apiVersion = kind === 'Job' ? 'batch/v1' : 'apps/v1'
  const ownerReferences = kind ? [{ apiVersion, kind, name: of, uid: '', controller: true }] : []
  return { metadata: { name, labels: { app: 'shop', ...labels }, ownerReferences } }
}

/** Names of the pods that the functions for the node are true for. */
function recognised(match: PodMatch, labelsOf: Readonly<Record<string, object>> = ownLabels): string[] {
  const tries = Object.entries(labelsOf).map(([name, labels]) => {
    const printed = { ID: 'x', Labels: { app: 'shop', ...labels, 'io.kubernetes.pod.name': name } }
    return `name=${name} labels='${JSON.stringify(printed, undefined, 4)}'\nif may_match && does_match; then echo $name; fi`
  })
  const script = [matchFunctions(match), 'namespace=default', ...tries].join('\n')
  return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\n').filter(Boolean)
}
