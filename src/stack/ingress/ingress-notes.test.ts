import { expect, test } from 'vitest'

import { parseManifests } from '../manifests/manifests.ts'
import { servedIngresses } from './controller.ts'
import { ingressNotes, gatewayNotes } from './ingress-notes.ts'

const shop = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ name: http, port: 80 }, { port: 9090 }]
---
`
function notesOf(text: string): readonly string[] {
  const manifests = parseManifests(shop + text, 'k8s/shop.yaml')
  return ingressNotes(servedIngresses(manifests, { k3sArgs: undefined }), manifests, 'default')
}

test('what is right needs no note', () => {
  expect(
    notesOf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web }
spec:
  ingressClassName: nginx
  defaultBackend: { service: { name: web, port: { number: 9090 } } }
  rules:
    - { host: shop.localhost, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { name: http } } } }] } }
    - { host: empty.localhost }
`),
  ).toEqual([])
})

test('what nobody will serve is told with file, line and what there is', () => {
  expect(
    notesOf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations: { kubernetes.io/ingress.class: haproxy }
spec:
  tls: [{ secretName: shop-tls, hosts: [shop.localhost] }]
  defaultBackend: { service: { name: web, port: { number: 80 } } }
  rules:
    - host: shop.localhost
      http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: wep, port: { number: 80 } } } }
          - { path: /a, pathType: Prefix, backend: { service: { name: web, port: { number: 81 } } } }
          - { path: /b, pathType: Prefix, backend: { service: { name: web, port: { name: metrics } } } }
          - { path: /api, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }
          - { path: /api/graphql, pathType: Exact, backend: { service: { name: web, port: { number: 80 } } } }
          - { path: /c, pathType: Prefix, backend: { resource: { kind: Bucket, name: files } } }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: far, namespace: other }
spec: { defaultBackend: { service: { name: web, port: { number: 80 } } } }
`),
  ).toMatchInlineSnapshot(`
    [
      ""k8s/shop.yaml", document 2 (line 9), line 21: ingress/web leads to Service "wep", which its namespace does not have: it has "web"",
      ""k8s/shop.yaml", document 2 (line 9), line 22: ingress/web leads to port 81 of Service "web", which has http (80), 9090",
      ""k8s/shop.yaml", document 2 (line 9), line 23: ingress/web leads to port metrics of Service "web", which has http (80), 9090",
      ""k8s/shop.yaml", document 2 (line 9), line 26: ingress/web leads to Bucket "files": the ingress controller serves Services only",
      ""k8s/shop.yaml", document 2 (line 9), line 15: ingress/web takes its certificate from Secret "shop-tls", which the stack does not have: one that no client trusts is in its place",
      ""k8s/shop.yaml", document 2 (line 9), line 25: ingress/web has the exact path "/api/graphql" beside "/api", which takes its requests: give it an Ingress of its own, with the annotation traefik.ingress.kubernetes.io/router.priority: "1000"",
      ""k8s/shop.yaml", document 2 (line 9), line 13: ingress/web names its class "haproxy" by an annotation and is not served: set spec.ingressClassName",
      ""k8s/shop.yaml", document 2 (line 9), line 16: ingress/web has a default backend besides its rules, which is not served: give it an Ingress of its own",
      ""k8s/shop.yaml", document 3 (line 28), line 31: ingress/far leads to Service "web", which its namespace does not have",
    ]
  `)
})

test.each([
  'spec: { rules: here, tls: 1 }',
  'spec: { rules: [null, { http: null }, { http: { paths: [null, { backend: null }, {}] } }], tls: [null] }',
  'spec: { defaultBackend: {} }',
  'spec: null',
  'spec: text',
  '',
])('what is no Ingress is for the API server to refuse: %s', (spec) => {
  expect(notesOf(`apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: web }\n${spec}\n`)).toEqual([])
})

test('a route that leads to what is not there is told with file, line and what there is', () => {
  const manifests = parseManifests(
    `${shop}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: shop }]
  listeners: [null, { tls: { certificateRefs: [{ name: shop-tls }, null] } }]
  rules:
    - backendRefs: [{ name: web, port: 80 }, { name: pool, kind: InferencePool }]
    - backendRefs:
        - { name: wbe, port: 80 }
        - { name: web, port: 8080 }
        - { name: web, port: 80, namespace: team }
    - null
`,
    'k8s/shop.yaml',
  )
  const routes = manifests.filter(({ object }) => object.kind === 'HTTPRoute')
  expect(gatewayNotes(routes, manifests, 'default')).toMatchInlineSnapshot(`
    [
      ""k8s/shop.yaml", document 2 (line 9): httproute/web takes its certificate from Secret "shop-tls", which the stack does not have",
      ""k8s/shop.yaml", document 2 (line 9), line 18: httproute/web leads to Service "wbe", which its namespace does not have: it has "web"",
      ""k8s/shop.yaml", document 2 (line 9), line 19: httproute/web leads to port 8080 of Service "web", which has http (80), 9090",
      ""k8s/shop.yaml", document 2 (line 9), line 20: httproute/web leads to Service "web", which its namespace does not have",
    ]
  `)
})
