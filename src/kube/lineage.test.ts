import { expect, test } from 'vitest'

import { isOf, lineageOf } from './lineage.ts'

const owned = (kind: string, name: string, labels: Record<string, string> = {}, apiVersion = 'apps/v1') => ({
  kind: 'Pod' as const,
  metadata: { name: 'x', labels, ownerReferences: [{ apiVersion, kind, name, controller: true }] },
})

test('a pod belongs to its ReplicaSet and to the Deployment that made it', () => {
  expect(lineageOf(owned('ReplicaSet', 'shop-7d9f', { 'pod-template-hash': '7d9f' }))).toEqual([
    { kind: 'Pod', name: 'x' },
    { kind: 'ReplicaSet', name: 'shop-7d9f' },
    { kind: 'Deployment', name: 'shop' },
  ])
})

test('a pod does not belong to a Deployment whose name its own begins with', () => {
  const shop = { kind: 'Deployment', name: 'shop' } as const
  expect(isOf(owned('ReplicaSet', 'shop-worker-7d9f', { 'pod-template-hash': '7d9f' }), shop)).toBe(false)
  expect(isOf(owned('ReplicaSet', 'shop-worker'), shop)).toBe(false)
  expect(isOf(owned('StatefulSet', 'shop'), shop)).toBe(false)
  expect(isOf(owned('ReplicaSet', 'shop-7d9f', { 'pod-template-hash': '7d9f' }), shop)).toBe(true)
})

test('other groups have kinds of the same names', () => {
  const shop = { kind: 'StatefulSet', name: 'shop' } as const
  expect(isOf(owned('StatefulSet', 'shop'), shop)).toBe(true)
  expect(isOf(owned('StatefulSet', 'shop', {}, 'apps.kruise.io/v1beta1'), shop)).toBe(false)
})

test('whoever is not the controller does not count', () => {
  const object = owned('Job', 'shop', {}, 'batch/v1')
  expect(isOf(object, { kind: 'Job', name: 'shop' })).toBe(true)
  const { ownerReferences } = object.metadata
  expect(
    isOf({ ...object, metadata: { ownerReferences: [{ ...ownerReferences[0]!, controller: false }] } }, { kind: 'Job', name: 'shop' }),
  ).toBe(false)
})
