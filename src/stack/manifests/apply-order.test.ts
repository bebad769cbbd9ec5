import { expect, test } from 'vitest'

import { planOrder } from './apply-order.ts'
import type { Manifest } from './manifests.ts'

const manifest = (apiVersion: string, kind: string, name: string, rest: object = {}): Manifest => ({
  object: { apiVersion, kind, metadata: { name }, ...rest },
  origin: name,
})
const workload = (name: string, app: string) =>
  manifest('apps/v1', 'Deployment', name, { spec: { template: { metadata: { labels: { app } } } } })
const service = (name: string) => manifest('v1', 'Service', name, { spec: { selector: { app: name } } })
const webhook = (name: string, serviceName: string) =>
  manifest('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', name, {
    webhooks: [{ clientConfig: { service: { name: serviceName, namespace: 'default' } } }],
  })
const order = (manifests: readonly Manifest[]) =>
  planOrder(manifests, 'default').map(({ kind, manifests: members }) => `${kind}: ${members.map(({ origin }) => origin).join(' ')}`)

test('keeps the order of the files, but for Namespaces and definitions, and what runs pods', () => {
  const manifests = [
    workload('app', 'app'),
    manifest('v1', 'ServiceAccount', 'account'),
    manifest('v1', 'Secret', 'token'),
    manifest('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'things'),
    manifest('batch/v1', 'CronJob', 'nightly'),
    manifest('v1', 'ConfigMap', 'config'),
    manifest('v1', 'Namespace', 'shop'),
    manifest('serving.knative.dev/v1', 'Service', 'function'),
  ]
  expect(order(manifests)).toEqual([
    'namespaces: shop',
    'definitions: things',
    'rest: account token config function',
    'workloads: app nightly',
  ])
})

test('a webhook configuration stays behind the workload that answers it, and in front of those after it', () => {
  expect(
    order([service('hook'), workload('hook', 'hook'), workload('early', 'x'), webhook('config', 'hook'), workload('late', 'x')]),
  ).toEqual(['rest: hook', 'workloads: hook early', 'webhooks: config', 'workloads: late'])
})

test('a webhook configuration in front of its workload, or of another Service, comes before all workloads', () => {
  const hook = [service('hook'), workload('hook', 'hook')]
  expect(order([webhook('config', 'hook'), ...hook])).toEqual(['rest: config hook', 'workloads: hook'])
  expect(order([...hook, webhook('config', 'elsewhere')])).toEqual(['rest: hook config', 'workloads: hook'])
})
