import { expect, test } from 'vitest'

import { checkSizes } from './check-sizes.ts'

const manifest = (kind: string, content: object) => [
  { object: { apiVersion: 'v1', kind, metadata: { name: 'big' }, ...content }, origin: '"k8s/big.yaml", document 1 (line 1)' },
]

test('tells the size of a ConfigMap that is too large, and another way', () => {
  expect(() => checkSizes(manifest('ConfigMap', { data: { small: 'x', 'cities.json': 'ü'.repeat(700_000) } })))
    .toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Manifest "k8s/big.yaml", document 1 (line 1): ConfigMap "big" holds 1.4 MB, and Kubernetes allows 1 MiB. The largest is "cities.json" with 1.4 MB.
    Hint: Put the file into the image, bring its folder into the pods by the option "mount", or load it as a seed.]
  `)
})

test('counts what base64 stands for, up to the byte', () => {
  const base64 = (size: number) => Buffer.alloc(size).toString('base64')
  checkSizes(manifest('Secret', { data: { a: base64(1024 * 1024) } }))
  checkSizes(manifest('Other', { data: { a: 'x'.repeat(2_000_000) } }))
  expect(() => checkSizes(manifest('Secret', { data: { a: base64(1024 * 1024) }, stringData: { b: 'x' } }))).toThrow('1 MiB')
  expect(() => checkSizes(manifest('ConfigMap', { binaryData: { a: base64(1024 * 1024 + 1) } }))).toThrow('1 MiB')
})
