import { expect, test } from 'vitest'

import { planStandIns } from '../bridge/stand-in.ts'
import { postRender } from '../stack/charts/post-render.ts'
import { parseManifests } from '../stack/manifests/manifests.ts'
import { mapContainers } from '../stack/manifests/pod-spec.ts'
import { compareRendered } from './releases.ts'

const rendered = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: orders }
spec:
  selector: { matchLabels: { app: orders } }
  template:
    metadata: { labels: { app: orders } }
    spec:
      initContainers: [{ name: migrate, image: orders:1.0 }]
      containers: [{ name: orders, image: orders:1.0, command: [serve] }, { name: proxy, image: registry.example.com/proxy:1.0 }]
---
apiVersion: v1
kind: Pod
metadata: { name: other }
spec: { containers: [{ name: a, image: registry.example.com/proxy:1.0 }] }
`

test('what is prepared for a chart is what its pods run: stand-ins, and images that were built', () => {
  const manifests = parseManifests(rendered, 'chart shop').map((manifest) => {
    const object = { ...manifest.object, metadata: { ...manifest.object.metadata, namespace: 'shops' } }
    return { ...manifest, object, chart: { release: 'shop', rendered: object } }
  })
  const images = { builds: [], pulls: [] }
  const bridged = [{ workload: 'deployment/orders', image: 'orders', containerName: 'orders', namespace: 'shops' }]
  const planned = planStandIns(manifests, { bridged, images, namespace: 'default' }).manifests
  const prepared = planned.map((manifest) => ({
    ...manifest,
    object: mapContainers(manifest.object, (container) =>
      container.image.includes('proxy')
        ? { imagePullPolicy: 'IfNotPresent', ...container, image: 'proxy:vk-1' }
        : { ...container, image: 'pause' },
    ),
  }))

  const changes = compareRendered('shops', prepared)

  const [orders, other] = parseManifests(postRender(rendered, changes), 'post-rendered').map(({ object }) => object)
  expect(orders).toMatchObject({
    spec: {
      template: {
        spec: {
          initContainers: [],
          containers: [
            { name: 'orders', image: 'pause' },
            { name: 'proxy', image: 'proxy:vk-1' },
          ],
        },
      },
    },
  })
  expect(JSON.stringify(orders)).not.toContain('serve')
  expect(other).toMatchObject({ spec: { containers: [{ image: 'proxy:vk-1', imagePullPolicy: 'IfNotPresent' }] } })
})
