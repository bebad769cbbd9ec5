import { expect, test } from 'vitest'

import { noteDanglingNames } from './dangling-names.ts'
import { parseManifests } from './manifests.ts'

const rendered = `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings-5ghb6d7kt2 }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: fixed }
---
apiVersion: example.com/v1
kind: Gadget
metadata: { name: settings }
spec: { config: { name: settings }, other: fixed }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: settings }
`

test('tells of a custom resource that names a ConfigMap which Kustomize has generated under another name', () => {
  expect(noteDanglingNames(parseManifests(rendered, 'kustomize ./k8s')).flatMap(({ notes = [] }) => notes)).toEqual([
    '"kustomize ./k8s", document 3 (line 10): Gadget "settings" names "settings", which Kustomize has generated as "settings-5ghb6d7kt2"',
  ])
})
