import { expect, test } from 'vitest'

import { parseManifests } from '../manifests/manifests.ts'
import { postRender } from './post-render.ts'

const rendered = `
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: Pod, metadata: { name: listed }, spec: { containers: [{ name: a, image: orders:1.0 }] } }
---
# Source: shop/templates/api.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: api }
spec:
  template:
    spec:
      containers:
        - { name: api, image: orders:1.0, env: [{ name: QUOTED, value: "no" }, { name: ZIP, value: "0123" }] }
        - { name: other, image: other:1.0 }
---
apiVersion: batch/v1
kind: Job
metadata: { name: migrate, annotations: { helm.sh/hook: pre-install, helm.sh/hook-delete-policy: "hook-failed, hook-succeeded", size: "1e3" } }
spec: { template: { spec: { initContainers: [{ name: i, image: orders:1.0, imagePullPolicy: Never }], containers: [] } } }
---
apiVersion: v1
kind: Pod
metadata: { name: check, annotations: { helm.sh/hook: test, helm.sh/hook-delete-policy: hook-succeeded } }
spec: { containers: [] }
---
apiVersion: v1
kind: ReplicationController
metadata: { name: old, annotations: { helm.sh/hook: post-install } }
spec: { template: { spec: { containers: [{ name: a, image: orders:1.0 }] } } }
---
apiVersion: v1
kind: Pod
metadata: { name: bridged }
spec: { containers: [{ name: a, image: orders:1.0, command: [serve] }] }
`

test('changes images everywhere, keeps hooks that fail and leaves the rest alone', () => {
  const yaml = postRender(rendered, {
    namespace: 'shops',
    images: { 'orders:1.0': { image: 'orders:vk-1', imagePullPolicy: 'IfNotPresent' } },
    podSpecs: { 'Pod/shops/bridged': { containers: [{ name: 'a', image: 'pause' }] }, 'Pod/default/listed': {} },
  })
  const own = { image: 'orders:vk-1', imagePullPolicy: 'IfNotPresent' }
  const env = [
    { name: 'QUOTED', value: 'no' },
    { name: 'ZIP', value: '0123' },
  ]
  expect(parseManifests(yaml, 'rendered').map(({ object }) => object)).toEqual([
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'listed' }, spec: { containers: [{ name: 'a', ...own }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'api' },
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'api', env, ...own },
              { name: 'other', image: 'other:1.0' },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: 'migrate',
        annotations: { 'helm.sh/hook': 'pre-install', 'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded', size: '1e3' },
      },
      spec: { template: { spec: { initContainers: [{ name: 'i', image: 'orders:vk-1', imagePullPolicy: 'Never' }], containers: [] } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'check',
        annotations: { 'helm.sh/hook': 'test', 'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded' },
      },
      spec: { containers: [] },
    },
    {
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: { name: 'old', annotations: { 'helm.sh/hook': 'post-install' } },
      spec: { template: { spec: { containers: [{ name: 'a', ...own }] } } },
    },
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bridged' }, spec: { containers: [{ name: 'a', image: 'pause' }] } },
  ])
})
