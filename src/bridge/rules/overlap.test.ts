import { expect, test } from 'vitest'

import { type PodChoice, sharePods } from './overlap.ts'

const app = { app: 'orders' }
const choice = (name: string, labels: Record<string, string>, uids: readonly string[] = [], own = labels, namespace = 'default') =>
  ({ match: { namespace, name, labels }, labels: own, pods: () => uids.map((uid) => ({ metadata: { uid } })) }) satisfies PodChoice

test('compares the pods that are there', () => {
  const deployment = choice('orders-*', app, ['1', '2'])
  expect(sharePods(deployment, choice('*', app, ['2', '3']))).toBe(true)
  expect(sharePods(deployment, choice('orders-x', {}, ['2'], app))).toBe(true)
  expect(sharePods(deployment, choice('orders-api-*', { app: 'orders-api' }, ['3']))).toBe(false)
})

test('where there are none, compares what pods there would be', () => {
  const deployment = choice('orders-*', app)
  expect(sharePods(deployment, choice('orders-*', app))).toBe(true)
  expect(sharePods(deployment, choice('*', app, ['1']))).toBe(true)
  expect(sharePods(choice('*', app, ['1']), deployment)).toBe(true)
  expect(sharePods(deployment, choice('orders-7d9f-*', { ...app, 'pod-template-hash': '7d9f' }))).toBe(true)
  expect(sharePods(deployment, choice('orders-*', app, [], app, 'other'))).toBe(false)
  expect(sharePods(deployment, choice('orders-api-*', { app: 'orders-api' }))).toBe(false)
  expect(sharePods(deployment, choice('orders-api-x', {}, ['1'], { app: 'orders-api' }))).toBe(false)
  expect(sharePods(deployment, choice('inventory-*', app))).toBe(false)
  expect(sharePods(choice('orders', app), choice('order', app))).toBe(false)
})
