import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import type { KubeObject } from '../../kube/object.ts'
import { gateway, httpRoute, leads } from '../../testing/gateway.ts'
import { ingressController } from './controller.ts'
import { servedGateways } from './gateways.ts'

const options = { namespace: 'default', k3sArgs: undefined }
const manifest = (object: KubeObject) => ({ object, origin: '"k8s/shop.yaml"' })
const plan = (...objects: readonly KubeObject[]) => servedGateways(objects.map(manifest), options)
const namesOf = (manifests: readonly { object: KubeObject }[]) => manifests.map(({ object }) => `${object.kind}/${object.metadata.name}`)
const gatewayClass = (name: string): KubeObject => ({
  ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass', metadata: { name } },
  spec: { controllerName: 'example.com/own' },
})
const route = (parent: string | object) => httpRoute('web', parent, { rules: [leads('web')] })

test('a Gateway brings a controller that listens where it does, its class, and the definitions', () => {
  const objects = [gateway('shop', [{}, { name: 'alt', port: 8080 }, { name: 'tls', port: 8443, protocol: 'HTTPS' }]), route('shop')]
  const served = plan(...objects)
  expect(namesOf(served.served)).toEqual(['Gateway/shop', 'HTTPRoute/web'])
  expect(namesOf(served.missing).filter((name) => !name.startsWith('CustomResourceDefinition/'))).toEqual(['GatewayClass/istio'])
  expect(namesOf(served.missing)).toContain('CustomResourceDefinition/httproutes.gateway.networking.k8s.io')
  const own = ingressController(objects.map(manifest), served, { ...options, isShared: false })
  const text = JSON.stringify(own)
  expect(text).toContain('--entrypoints.port-8080.address=:8080')
  expect(text).toContain('--entrypoints.port-8443.address=:8443')
  expect(own.find(({ object }) => object.kind === 'Service')?.object['spec']).toMatchObject({
    ports: [{ port: 80 }, { port: 443 }, { name: 'http-8080', port: 8080 }, { name: 'https-8443', port: 8443 }],
  })
})

test('a Gateway that only routes name is made, in a namespace that is', () => {
  const refs = [{ name: 'everybody', namespace: 'infra' }, { name: 'everybody', namespace: 'infra', sectionName: 'web' }, 'mine']
  const { missing, notes, listeners } = plan(...refs.map(route))
  const made = missing.filter(({ object }) => ['Gateway', 'Namespace'].includes(object.kind)).map(({ object }) => object)
  expect(made.map(({ kind, metadata: { name, namespace } }) => [kind, name, namespace])).toEqual([
    ['Namespace', 'infra', undefined],
    ['Gateway', 'everybody', 'infra'],
    ['Gateway', 'mine', 'default'],
  ])
  expect(listeners.map(({ name, port }) => [name, port])).toEqual([
    ['web', 80],
    ['http', 80],
  ])
  expect(notes).toEqual([
    'Gateway "everybody" in namespace "infra", which routes name, is not in the stack: one that speaks HTTP at port 80 takes its place',
    'Gateway "mine" in namespace "default", which routes name, is not in the stack: one that speaks HTTP at port 80 takes its place',
  ])
  const there = plan({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'infra' } }, route(refs[0]!))
  expect(namesOf(there.missing)).not.toContain('Namespace/infra')
})

test.each([
  [
    [{ sectionName: 'a', port: 81 }, { sectionName: 'b' }],
    ['a 81', 'b 80'],
  ],
  [
    [{ port: 8080 }, { port: 9090 }, {}],
    ['http-8080 8080', 'http-9090 9090'],
  ],
  [
    [
      { sectionName: 'a', port: 80 },
      { sectionName: 'b', port: 80 },
    ],
    ['a 80'],
  ],
  [[{}, {}], ['http 80']],
])('routes that name %j get a Gateway with listeners %j', (refs, wanted) => {
  const { listeners } = plan(...refs.map((ref) => route({ name: 'mine', ...ref })))
  expect(listeners.map(({ name, port }) => `${name} ${port}`)).toEqual(wanted)
})

test('a listener at the port of its own API moves that', () => {
  const objects = [gateway('shop', [{ port: 8080 }, { name: 'b', port: 8081 }])].map(manifest)
  const text = JSON.stringify(ingressController(objects, servedGateways(objects, options), { ...options, isShared: false }))
  expect(text).toContain('--entrypoints.traefik.address=:8082')
})

test('what was made for a Gateway before is made anew for what comes later', () => {
  const first = [route('mine')].map(manifest)
  const all = [...first, ...servedGateways(first, options).missing, ...[route({ name: 'mine', sectionName: 'b' })].map(manifest)]
  expect(servedGateways(all, options).listeners.map(({ name }) => name)).toEqual(['b'])
})

test('what others serve is left to them', () => {
  expect(plan().served).toEqual([])
  expect(namesOf(plan(gatewayClass('istio'), gateway('shop', [{}]), route('shop')).missing)).toEqual([])
  expect(servedGateways([gateway('shop', [{}]), route('shop')].map(manifest), { ...options, k3sArgs: [] }).served).toEqual([])
  // A route of a mesh names a Service.
  expect(plan(route({ kind: 'Service', name: 'web' }), route({ group: 'networking.istio.io', name: 'web' })).served).toEqual([])
  const { notes } = plan(gateway('shop', [{}]), { ...route('shop'), kind: 'TCPRoute' })
  expect(notes).toEqual(['"k8s/shop.yaml": tcproute/web is not served: the ingress controller takes HTTPRoute, GRPCRoute and TLSRoute'])
})

test('definitions of the stack are taken, and refused where they are too old', () => {
  const definition = (plural: string, ...versions: readonly object[]): KubeObject => ({
    ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
    metadata: { name: `${plural}.gateway.networking.k8s.io` },
    spec: { versions },
  })
  const taken = plan(gateway('shop', [{}]), definition('gateways', { name: 'v1', served: true }))
  expect(namesOf(taken.missing)).not.toContain('CustomResourceDefinition/gateways.gateway.networking.k8s.io')
  expect(() => plan(gateway('shop', [{}]), definition('httproutes', { name: 'v1beta1', served: true }, { name: 'v1', served: false })))
    .toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Manifest "k8s/shop.yaml": customresourcedefinition/httproutes.gateway.networking.k8s.io does not serve version v1, which the ingress controller reads.
    Hint: Leave the definitions of the Gateway API out of your stack: they come by themselves. Or set \`ingress: false\` and bring a controller of your own.]
  `)
})

test.each([
  ['no spec', {}],
  ['null', { spec: null }],
  ['no lists', { spec: { listeners: 'all', parentRefs: {} } }],
  ['nothing in lists', { spec: { listeners: [null, 1, { port: 'http' }, { port: 80 }], parentRefs: [null, 'shop'] } }],
])('what the API server will refuse is left to it: %s', (_what, more) => {
  const objects = [gateway('shop', []), route('shop')].map((object) => ({ ...object, spec: undefined, ...more }))
  const served = plan(...objects)
  expect(namesOf(served.served)).toEqual(['Gateway/shop'])
  expect(ingressController(objects.map(manifest), served, { ...options, isShared: true }).length).toBeGreaterThan(0)
})

test("the definitions are of the version that Traefik's code is made for", async () => {
  const goMod = await readFile(join(import.meta.dirname, '../../../fixtures/traefik/go.mod'), 'utf8')
  const versions = plan(gateway('shop', [{}])).missing.map(
    ({ object }) => (object.metadata['annotations'] as Record<string, string> | undefined)?.['gateway.networking.k8s.io/bundle-version'],
  )
  expect(new Set(versions.filter((each) => each !== undefined))).toEqual(new Set([/gateway-api (v\S+)/.exec(goMod)![1]]))
})
