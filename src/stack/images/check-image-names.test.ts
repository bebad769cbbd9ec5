import { expect, test } from 'vitest'

import { parseManifests } from '../manifests/manifests.ts'
import { checkImageNames } from './check-image-names.ts'

const deployment = (image: string) => `# first line
apiVersion: apps/v1
kind: Deployment
metadata: { name: app }
spec:
  template:
    spec:
      containers:
        - name: app
          image: ${JSON.stringify(image)}
`
const check = (image: string, names: readonly string[] = []) =>
  checkImageNames(parseManifests(deployment(image), 'k8s/app.yaml'), {
    builds: names.map((name) => ({ name, build: '.', context: '/' })),
    pulls: [],
  })

test('a placeholder that nobody has filled in is named, with its place', () => {
  expect(() => check('registry.example.com/app:${TAG}')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Manifest "k8s/app.yaml", document 1 (line 2), line 10: container "app" of deployment/app has the image "registry.example.com/app:\${TAG}": "\${TAG}" is a placeholder that nobody has filled in.
    Hint: Manifests are applied as they are. Let "kustomize" or "charts" fill it in, or build the image: images: { name: './folder' } takes the place of images of that name, whatever their tag.]
  `)
})

test.for([
  '{{ .Values.image }}',
  '<image>',
  '$IMAGE',
  '${REGISTRY:-x}/app',
  'app:',
  'Shop/Orders:1',
  'https://example.com/app:1',
  'my app',
  '',
  'app@sha256:12',
  ':tag',
  'ko://github.com/x/y',
])('%j is refused', (image) => {
  expect(() => check(image)).toThrow(
    /^Manifest "k8s\/app\.yaml", document 1 \(line 2\), line 10: container "app" of deployment\/app has the image/,
  )
})

test.for([
  'busybox',
  'busybox:1.37',
  'registry.example.com:5000/shop/orders:1.2-rc.1',
  `orders@sha256:${'a'.repeat(64)}`,
  'localhost:5000/a/b_c/d__e:X',
  'Registry.Example.com/x',
  '[::1]:5000/x:1',
])('%j is allowed', (image) => {
  check(image)
})

test('an image that the suite builds takes the place of a placeholder', () => {
  check('${REGISTRY}/shop/app:${TAG}', ['app'])
})
