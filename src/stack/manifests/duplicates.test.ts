import { expect, test } from 'vitest'

import { checkDuplicates, findDoubleEntries } from './duplicates.ts'
import { parseManifests } from './manifests.ts'

const settings = (mode: string, metadata = '{ name: settings }') =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: ${metadata}\ndata: { mode: ${mode}, other: x }\n`

test('an object that stands twice with different content is refused with both places', () => {
  const manifests = [...parseManifests(settings('first'), 'a.yaml'), ...parseManifests(`---\n${settings('second')}`, 'b.yaml')]
  expect(() => checkDuplicates(manifests, 'default')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: ConfigMap "settings" stands twice with different content: in "a.yaml", document 1 (line 1) and in "b.yaml", document 1 (line 2).
    Hint: Only one of them can be in the cluster: remove the other, or give it another name or namespace. What varies between environments is a case for "kustomize".]
  `)
})

test('equal content, another namespace and another kind are allowed', () => {
  const reordered = 'data: { other: x, mode: first }\nkind: ConfigMap\nmetadata: { name: settings }\napiVersion: v1\n'
  const texts = [
    settings('first'),
    reordered,
    settings('second', '{ name: settings, namespace: shop }'),
    settings('third').replace('ConfigMap', 'Other'),
  ]
  checkDuplicates(
    texts.flatMap((text, index) => parseManifests(text, `${index}.yaml`)),
    'default',
  )
})

test('the namespace of the suite is that of objects that name none', () => {
  const manifests = [settings('first'), settings('second', '{ name: settings, namespace: default }')].flatMap((text) =>
    parseManifests(text, 'a.yaml'),
  )
  expect(() => checkDuplicates(manifests, 'default')).toThrow('stands twice with different content')
})

test('finds what server-side apply takes for the same entry', () => {
  const containers = `[{ name: app, env: [{ name: A }, { name: B }, { name: A, value: x }], ports: [{ containerPort: 80 }, { containerPort: 80, protocol: TCP, name: b }, { containerPort: 80, protocol: UDP }] }]`
  const [manifest] = parseManifests(
    `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: app }\nspec: { template: { spec: { initContainers: [{ name: init, env: [{ name: A }] }], containers: ${containers}, imagePullSecrets: [{ name: s }, { name: s }] } } }`,
    'a.yaml',
  )
  expect(findDoubleEntries(manifest!.object)).toEqual([
    'variable "A" of container "app"',
    'port 80/TCP of container "app"',
    'imagePullSecret "s"',
  ])
})
