import { expect, test } from 'vitest'

import { namespacesOf } from './charts.ts'

test('makes the namespaces of releases, once, where no manifest does', () => {
  const charts = {
    a: './a',
    b: { chart: 'b', namespace: 'shops' },
    c: { chart: 'c', namespace: 'shops' },
    d: { chart: 'd', namespace: 'own' },
  }
  const system = { e: { chart: 'e', namespace: 'kube-system' }, f: { chart: 'f', namespace: 'default' } }
  const own = { object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'own' } }, origin: 'own.yaml' }
  expect(namespacesOf({ ...charts, ...system }, [own])).toEqual([
    { object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shops' } }, origin: 'namespace "shops" of "charts"' },
  ])
})
