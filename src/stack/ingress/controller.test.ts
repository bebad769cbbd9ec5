import { expect, test } from 'vitest'

import type { KubeObject } from '../../kube/object.ts'
import { ingressController as controllerOf, servedIngresses } from './controller.ts'
import { noGateways } from './gateways.ts'

const ingressController = (manifests: Parameters<typeof controllerOf>[0], more: Parameters<typeof controllerOf>[2]) =>
  controllerOf(manifests, noGateways, more)
const options = { namespace: 'default', isShared: false, k3sArgs: undefined }
const manifest = (object: KubeObject) => ({ object, origin: '"k8s/shop.yaml"' })
const ingress = (name: string, spec: object = {}, metadata: object = {}) =>
  manifest({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, ...metadata }, spec })
const ingressClass = (name: string, metadata: object = {}) =>
  manifest({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name, ...metadata },
    spec: { controller: 'example.com/own' },
  })
const namesOf = (manifests: readonly { object: KubeObject }[]) => manifests.map(({ object }) => `${object.kind}/${object.metadata.name}`)

test('an Ingress brings a controller, and a class for each name', () => {
  const own = ingressController(
    [ingress('a', { ingressClassName: 'nginx' }), ingress('b', { ingressClassName: 'haproxy' }), ingress('c')],
    options,
  )
  expect(namesOf(own)).toEqual([
    'IngressClass/haproxy',
    'IngressClass/nginx',
    'ServiceAccount/ingress',
    'ClusterRole/vitest-kubernetes-ingress-default',
    'ClusterRoleBinding/vitest-kubernetes-ingress-default',
    'Service/ingress',
    'Deployment/ingress',
  ])
  expect(own.slice(0, 2).map(({ object }) => object['spec'])).toEqual([
    { controller: 'traefik.io/ingress-controller' },
    { controller: 'k8s.io/ingress-nginx' },
  ])
  // They are told apart from those that the stack brings itself, when more is applied later.
  expect(namesOf(servedIngresses([...own, ingress('d', { ingressClassName: 'nginx' })], options))).toEqual(['Ingress/d'])
})

test('there is no controller where there is nothing for it to serve', () => {
  const serving = (...manifests: Parameters<typeof servedIngresses>[0]) => namesOf(servedIngresses(manifests, options))
  expect(ingressController([], options)).toEqual([])
  expect(ingressController([manifest({ apiVersion: 'example.com/v1', kind: 'Ingress', metadata: { name: 'other' } })], options)).toEqual([])
  expect(serving(ingressClass('own'), ingress('a', { ingressClassName: 'own' }), ingress('b', { ingressClassName: 'traefik' }))).toEqual([
    'Ingress/b',
  ])
  expect(serving(ingressClass('own'), ingress('a', {}, { annotations: { 'kubernetes.io/ingress.class': 'own' } }))).toEqual([])
  const isDefault = { annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } }
  expect(serving(ingressClass('own', isDefault), ingress('a'))).toEqual([])
})

test.each([
  [undefined, 1],
  [['--disable=traefik'], 1],
  [['--disable=metrics-server,traefik@server:*'], 1],
  [['--disable', 'traefik'], 1],
  [['--disable=metrics-server'], 0],
  [[], 0],
])("k3sArgs %j leave Ingresses to k3s' own Traefik, or not", (k3sArgs, count) => {
  expect(servedIngresses([ingress('web')], { k3sArgs })).toHaveLength(count)
})

test('in a shared cluster a controller serves the namespaces of its suite only', () => {
  // What a route of the Gateway API may lead to.
  const far = manifest({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'far', namespace: 'team' } })
  const own = ingressController([ingress('a', { ingressClassName: 'nginx' }), ingress('b', {}, { namespace: 'shop' }), far], {
    ...options,
    namespace: 'suite-1',
    isShared: true,
  })
  const text = JSON.stringify(own)
  expect(text).toContain('--providers.kubernetesingress.namespaces=shop,suite-1,team')
  expect(text).toContain('kubernetes.io/metadata.name in (shop,suite-1,team)')
  expect(JSON.stringify(ingressController([ingress('a')], options))).not.toContain('.namespaces=')
})
