import { expect, test } from 'vitest'

import { apiPath, findKind, isServing, isWorkload, kindOf, templatePath } from './kinds.ts'

test.for([
  ['deployment', 'Deployment'],
  ['Deployments', 'Deployment'],
  ['deploy', 'Deployment'],
  ['rc', 'ReplicationController'],
  ['networkpolicies', 'NetworkPolicy'],
  ['StorageClasses', 'StorageClass'],
  ['crd', 'CustomResourceDefinition'],
  ['rollout', undefined],
] as const)('"%s" is %s', ([word, kind]) => {
  expect(findKind(word)).toBe(kind)
})

test('paths are those of the API server', () => {
  expect(apiPath('Pod')).toBe('/api/v1/pods')
  expect(apiPath('Deployment', 'shop')).toBe('/apis/apps/v1/namespaces/shop/deployments')
  expect(apiPath('NetworkPolicy', 'shop', 'deny')).toBe('/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/deny')
})

test('a kind is told by its group as well as by its name, in whatever version', () => {
  expect(kindOf({ apiVersion: 'v1', kind: 'Service' })).toBe('Service')
  expect(kindOf({ apiVersion: 'serving.knative.dev/v1', kind: 'Service' })).toBeUndefined()
  expect(kindOf({ apiVersion: 'batch/v1beta1', kind: 'CronJob' })).toBe('CronJob')
  expect(isWorkload({ apiVersion: 'apps.kruise.io/v1beta1', kind: 'StatefulSet' })).toBe(false)
  expect(kindOf({ apiVersion: 'v1', kind: 'toString' })).toBeUndefined()
})

test('knows what runs pods, what serves, and where their template is', () => {
  expect(isWorkload({ apiVersion: 'v1', kind: 'ReplicationController' })).toBe(true)
  expect(isWorkload({ apiVersion: 'batch/v1', kind: 'CronJob' })).toBe(false)
  expect(isServing({ apiVersion: 'batch/v1', kind: 'Job' })).toBe(false)
  expect(templatePath({ apiVersion: 'v1', kind: 'Pod' })).toEqual([])
  expect(templatePath({ apiVersion: 'batch/v1', kind: 'CronJob' })).toEqual(['spec', 'jobTemplate', 'spec', 'template'])
  expect(templatePath({ apiVersion: 'v1', kind: 'ConfigMap' })).toBeUndefined()
})
