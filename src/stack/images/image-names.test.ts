import { expect, test } from 'vitest'

import { parseImageName, parseSubstitutes, substituteImage } from './image-names.ts'

test.for([
  ['orders', 'orders', 'orders', undefined],
  ['orders:dev', 'orders', 'orders', 'dev'],
  ['docker.io/library/postgres:17', 'postgres', 'postgres', '17'],
  ['localhost:5000/shop/orders', 'localhost:5000/shop/orders', 'orders', undefined],
  ['registry.example.com:443/shop/orders:1.2', 'registry.example.com:443/shop/orders', 'orders', '1.2'],
  ['shop/orders@sha256:ab', 'shop/orders', 'orders', undefined],
] as const)('%s', ([reference, repository, base, tag]) => {
  expect(parseImageName(reference)).toMatchObject({ repository, base, tag })
})

test('substitutes by repository, whatever the tag', () => {
  const substitutes = parseSubstitutes('postgres=mirror/postgres:15, redis=mirror/redis:7')
  expect(['postgres:17', 'docker.io/library/redis', 'bitnami/postgres:17'].map((image) => substituteImage(substitutes, image))).toEqual([
    'mirror/postgres:15',
    'mirror/redis:7',
    'bitnami/postgres:17',
  ])
  expect(() => parseSubstitutes('postgres')).toThrow('Expected "repository=image" in VITEST_KUBERNETES_IMAGES, got "postgres".')
})
