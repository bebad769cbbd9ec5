import { expect, test } from 'vitest'

import { createWatchedPaths } from './watched-paths.ts'

const request = {
  file: '/shop/orders.test.ts',
  folder: '/shop',
  suite: 'orders',
  options: {
    images: { orders: './orders', cache: 'redis:8', inventory: { build: '../inventory' } },
    manifests: ['./k8s', './more/*.yaml', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }],
    charts: { shop: { chart: './charts/shop', valuesFiles: './values.yaml' }, redis: 'oci://example.com/redis' },
    kustomize: './overlay',
    secrets: ['./a.enc.yaml', { keys: './b.enc.env' }],
    seed: { 'statefulset/postgres': ['./seed/schema.sql', { exec: ['psql'], input: './seed/more.sql' }] },
  },
  sources: ['./worker'],
}

test('knows what to watch for a suite', () => {
  expect(createWatchedPaths().add(request).paths.toSorted()).toEqual([
    '/inventory',
    '/shop/a.enc.yaml',
    '/shop/b.enc.env',
    '/shop/charts/shop',
    '/shop/k8s',
    '/shop/more',
    '/shop/orders',
    '/shop/overlay',
    '/shop/seed/more.sql',
    '/shop/seed/schema.sql',
    '/shop/values.yaml',
    '/shop/worker',
  ])
})

test('finds the tests of a file', () => {
  const watched = createWatchedPaths()
  watched.add(request)
  watched.add({ ...request, suite: 'again' })
  watched.add({ ...request, file: '/shop/other.test.ts', options: { manifests: './k8s/orders.yaml' }, sources: [] })
  const orders = ['/shop/orders.test.ts']
  for (const file of ['orders/src/app.ts', 'orders/Dockerfile', 'more/a.yaml', 'seed/schema.sql', 'worker/main.ts', '../inventory/a.ts'])
    expect(watched.testsOf(new URL(file, 'file:///shop/').pathname), file).toEqual(orders)
  expect(watched.testsOf('/shop/k8s/orders.yaml')).toEqual([...orders, '/shop/other.test.ts'])
  for (const file of ['orders/node_modules/x/index.js', 'orders2/a.ts', 'more/a.json', 'seed/rows.sql', 'orders.test.ts'])
    expect(watched.testsOf(`/shop/${file}`), file).toEqual([])
})

test('forgets what a suite does not have any more', () => {
  const watched = createWatchedPaths()
  watched.add(request)
  watched.add({ ...request, options: {}, sources: [] })
  expect(watched.testsOf('/shop/k8s/a.yaml')).toEqual([])
})
