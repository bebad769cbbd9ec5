import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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

test('a stack of another folder is watched there, and what the test names beside the test', () => {
  const options = { folder: '/stack', manifests: './k8s', seed: { db: './rows.sql' }, images: ['./orders'] }
  expect(
    createWatchedPaths()
      .add({ ...request, options })
      .paths.toSorted(),
  ).toEqual(['/shop/worker', '/stack/k8s', '/stack/orders', '/stack/rows.sql'])
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

test('what a run writes, and what .dockerignore leaves out of a build, changes nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'watched-'))
  await writeFile(join(folder, '.dockerignore'), 'docs\n**/*.md\n!docs/api.md\n')
  const watched = createWatchedPaths([join(folder, '.vitest/kubernetes'), join(folder, 'junit.xml')])
  const images = { orders: { build: '.' } }
  watched.add({ file: join(folder, 'test/a.test.ts'), folder, suite: 'orders', options: { images, manifests: './docs/k8s' }, sources: [] })
  for (const file of ['.vitest/kubernetes/report.html', 'junit.xml', 'README.md', 'docs/guide.txt'])
    expect(watched.testsOf(join(folder, file)), file).toEqual([])
  for (const file of ['src/app.ts', 'docs/api.md', 'docs/k8s/a.yaml', 'Dockerfile', '.dockerignore', 'junit.xml.ts'])
    expect(watched.testsOf(join(folder, file)), file).toEqual([join(folder, 'test/a.test.ts')])
  await writeFile(join(folder, '.dockerignore'), 'src\n')
  expect(watched.testsOf(join(folder, 'src/app.ts'))).toEqual([])
  await rm(folder, { recursive: true })
})
