import { expect, test } from 'vitest'

import type { WorkloadRef } from '../../kube/lineage.ts'
import { type PodChoice, sharePods } from './overlap.ts'

const app = { app: 'shop' }
const there = (...uids: readonly string[]) => uids.map((uid) => ({ metadata: { uid } }))
const deployment = { kind: 'Deployment', name: 'shop' } as const
const replicaSet = { kind: 'ReplicaSet', name: 'shop-7d9f' } as const
const pod = { kind: 'Pod', name: 'shop-7d9f-x' } as const

function workload(lineage: readonly [WorkloadRef, ...WorkloadRef[]], uids: readonly string[] = [], namespace = 'default'): PodChoice {
  return { match: { namespace, lineage }, labels: app, pods: () => there(...uids) }
}

function service(selector: Record<string, string>, uids: readonly string[] = []): PodChoice {
  return { match: { namespace: 'default', selector }, labels: selector, pods: () => there(...uids) }
}

test('compares the pods that are there', () => {
  const shop = workload([deployment], ['1', '2'])
  expect(sharePods(shop, service(app, ['2', '3']))).toBe(true)
  expect(sharePods(shop, workload([pod, replicaSet, deployment], ['2']))).toBe(true)
  expect(sharePods(shop, service(app, ['3']))).toBe(false)
  expect(sharePods(shop, workload([{ kind: 'Deployment', name: 'shop-worker' }], ['3']))).toBe(false)
})

test('where there are none, compares what pods there would be', () => {
  const shop = workload([deployment])
  const meets = (other: PodChoice) => {
    expect(sharePods(other, shop)).toBe(sharePods(shop, other))
    return sharePods(shop, other)
  }
  expect(meets(workload([deployment]))).toBe(true)
  expect(meets(service(app, ['1']))).toBe(true)
  expect(meets(workload([replicaSet, deployment]))).toBe(true)
  expect(meets(workload([pod, replicaSet, deployment], ['1']))).toBe(true)
  expect(meets(workload([deployment], [], 'other'))).toBe(false)
  expect(meets(workload([{ kind: 'Deployment', name: 'shop-worker' }]))).toBe(false)
  expect(meets(workload([{ kind: 'StatefulSet', name: 'shop' }]))).toBe(false)
  expect(meets(service({ app: 'shop', component: 'worker' }))).toBe(false)
})
