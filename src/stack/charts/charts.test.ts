import { expect, test } from 'vitest'

import { definedVersions, namespacesOf } from './charts.ts'

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

test('knows what CustomResourceDefinitions define', () => {
  const spec = {
    group: 'example.com',
    names: { kind: 'Thing' },
    versions: [
      { name: 'v1', served: true },
      { name: 'v1beta1', served: false },
    ],
  }
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.com' },
    spec,
  }
  expect(definedVersions([{ object: definition, origin: 'a.yaml' }])).toEqual(['example.com/v1', 'example.com/v1/Thing'])
})
