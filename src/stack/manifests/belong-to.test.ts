import { expect, test } from 'vitest'

import { belongTo } from './belong-to.ts'

const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'relay', uid: '1' }
const metadata = { name: 'db' }

test('adds the owner to those that an object has', () => {
  const other = { apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: '2' }
  const object = { apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, ownerReferences: [other] }, data: {} }
  expect(belongTo(object, owner)).toEqual({ ...object, metadata: { ...metadata, ownerReferences: [other, owner] } })
  expect(belongTo(object, undefined)).toBe(object)
})

test('the volumes of a StatefulSet go with it, unless it says otherwise', () => {
  const stateful = (spec: object) => ({ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec })
  const policyOf = (spec: object) =>
    (belongTo(stateful(spec), owner)['spec'] as Record<string, unknown>)['persistentVolumeClaimRetentionPolicy']
  expect(policyOf({ serviceName: 'db' })).toEqual({ whenDeleted: 'Delete', whenScaled: 'Retain' })
  expect(policyOf({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain' } })).toEqual({ whenDeleted: 'Retain' })
})
