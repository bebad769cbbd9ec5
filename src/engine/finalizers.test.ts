import { expect, test } from 'vitest'

import { describeHeld, resourcesLeft } from './finalizers.ts'

test('an object names the finalizers that hold it', () => {
  const metadata = { name: 'x', finalizers: ['example.com/hold'] }
  expect(describeHeld({ apiVersion: 'v1', kind: 'ConfigMap', metadata })).toEqual([
    'ConfigMap "x" has the finalizer "example.com/hold", which nobody serves',
  ])
  expect(describeHeld({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } })).toEqual([])
})

test('a Namespace says what it still has', () => {
  const message = 'Some resources are remaining: configmaps. has 1 resource instances, widgets.shop.example.com has 2 resource instances'
  const conditions = [{ type: 'NamespaceContentRemaining', status: 'True', message }]
  expect(resourcesLeft({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' }, status: { conditions } })).toEqual([
    'configmaps',
    'widgets.shop.example.com',
  ])
})
