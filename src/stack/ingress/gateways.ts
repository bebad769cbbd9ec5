import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { ownClassLabels } from '../../cluster/network/own-class.ts'
import {
  type Gateway,
  type GatewayKind,
  type GatewayRoute,
  type Listener,
  type ParentRef,
  gatewayController,
  gatewayGroup,
  isOfGatewayApi,
  listenersOf,
  parentGateways,
  routeKinds,
} from '../../kube/gateway-api.ts'
import { describeObject, kindOf } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { Manifest } from '../manifests/manifests.ts'
import { isLeftToK3s } from './left-to-k3s.ts'

/** What of the Gateway API the ingress controller serves in a stack. */
export interface ServedGateways {
  /** Gateways of the stack, and the routes that lead from them. */
  readonly served: readonly Manifest[]
  /** What they need and the stack does not have: definitions of kinds, GatewayClasses, Gateways. */
  readonly missing: readonly Manifest[]
  /** All that the Gateways listen at. */
  readonly listeners: readonly Listener[]
  /** What the user has to know. */
  readonly notes: readonly string[]
}

export const noGateways: ServedGateways = { served: [], missing: [], listeners: [], notes: [] }

export interface GatewayOptions {
  /** Of objects that name none. */
  readonly namespace: string
  readonly k3sArgs: readonly string[] | undefined
}

/** Of Gateways that routes name and the stack does not have. */
const ownClass = 'vitest-kubernetes'

/** Of all manifests that are made for a stack. */
export const origin = 'the ingress controller'

/**
 * What is ours to serve: all Gateways, but those of a GatewayClass that the manifests define. A Gateway that routes name and nobody defines,
 * as where it is another team's, is made, and listens by HTTP.
 */
export function servedGateways(manifests: readonly Manifest[], { namespace, k3sArgs }: GatewayOptions): ServedGateways {
  if (isLeftToK3s(k3sArgs)) return noGateways
  const idOf = ({ metadata }: KubeObject) => `${metadata.namespace ?? namespace}/${metadata.name}`
  const otherClasses = new Set(ofKind(manifests, 'GatewayClass').map(({ object }) => object.metadata.name))
  const all = ofKind(manifests, 'Gateway')
  const gateways = all.filter(({ object }) => !otherClasses.has((object as Gateway).spec?.gatewayClassName ?? ''))
  const routes = ofKind(manifests, ...routeKinds).map((manifest) => ({
    manifest,
    parents: parentGateways(manifest.object as GatewayRoute, namespace).map((parent) => ({
      ...parent,
      id: `${parent.namespace}/${parent.ref.name}`,
    })),
  }))
  const known = new Set(all.map(({ object }) => idOf(object)))
  const unknown = routes.flatMap(({ parents }) => parents).filter(({ id }) => !known.has(id))
  const implied = Object.values(Object.groupBy(unknown, ({ id }) => id)).map((refs) => gatewayOf(refs!))
  const objects = [...gateways.map(({ object }) => object), ...implied]
  if (objects.length === 0) return noGateways
  const ours = new Set(objects.map(idOf))
  const classes = new Set(objects.flatMap((object) => (object as Gateway).spec?.gatewayClassName ?? []))
  return {
    served: [...gateways, ...routes.filter(({ parents }) => parents.some(({ id }) => ours.has(id))).map(({ manifest }) => manifest)],
    missing: [
      ...missingDefinitions(manifests),
      ...[...classes].toSorted().map((name) => ({ object: gatewayClass(name), origin, isCommon: true })),
      ...[...missingNamespaces(implied, manifests, namespace), ...implied].map((object) => ({ object, origin })),
    ],
    listeners: objects.flatMap((object) => listenersOf(object as Gateway)),
    notes: [...implied.map(noteOf), ...unserved(manifests)],
  }
}

/** Of the stack: what was made for it before is made anew. */
function ofKind(manifests: readonly Manifest[], ...kinds: readonly GatewayKind[]): readonly Manifest[] {
  return manifests.filter((each) => each.origin !== origin && isOfGatewayApi(each.object, ...kinds))
}

/** With a listener for each that the routes name, by its name or its port. */
function gatewayOf(refs: readonly { readonly ref: ParentRef; readonly namespace: string }[]): KubeObject {
  const [{ ref, namespace }] = refs as [(typeof refs)[number]]
  const named = new Map<string, number | undefined>()
  for (const {
    ref: { sectionName, port },
  } of refs) {
    const name = sectionName ?? (port === undefined ? undefined : `http-${port}`)
    if (name !== undefined) named.set(name, named.get(name) ?? port)
  }
  if (named.size === 0) named.set('http', undefined)
  const taken = new Set(named.values())
  const free = (): number => {
    let port = 80
    while (taken.has(port) || port === 443) port++
    taken.add(port)
    return port
  }
  const listeners = [...named].map(([name, port]) => ({
    name,
    port: port ?? free(),
    protocol: 'HTTP',
    allowedRoutes: { namespaces: { from: 'All' } },
  }))
  return {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'Gateway',
    metadata: { name: ref.name, namespace },
    // Of two at one port, the API server takes neither.
    spec: {
      gatewayClassName: ownClass,
      listeners: listeners.filter((each, index) => listeners.findIndex(({ port }) => port === each.port) === index),
    },
  }
}

function noteOf(gateway: KubeObject): string {
  const ports = listenersOf(gateway as Gateway)
    .map(({ port }) => port)
    .join(' and ')
  const { name, namespace } = gateway.metadata
  return `Gateway "${name}" in namespace "${namespace}", which routes name, is not in the stack: one that speaks HTTP at port ${ports} takes its place`
}

/** Traefik reads them only on request, and UDP does not reach the cluster. */
function unserved(manifests: readonly Manifest[]): readonly string[] {
  return ofKind(manifests, 'TCPRoute', 'UDPRoute').map(
    (manifest) =>
      `${manifest.origin}: ${describeObject(manifest.object)} is not served: the ingress controller takes HTTPRoute, GRPCRoute and TLSRoute`,
  )
}

function missingNamespaces(implied: readonly KubeObject[], manifests: readonly Manifest[], namespace: string): readonly KubeObject[] {
  const there = new Set(manifests.flatMap(({ object }) => (kindOf(object) === 'Namespace' ? [object.metadata.name] : [])))
  const names = new Set(implied.map(({ metadata }) => metadata.namespace!))
  return [...names]
    .filter((name) => !there.has(name) && name !== namespace && name !== 'default' && !name.startsWith('kube-'))
    .map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }))
}

function gatewayClass(name: string): KubeObject {
  return {
    apiVersion: `${gatewayGroup}/v1`,
    kind: 'GatewayClass',
    metadata: { name, labels: ownClassLabels },
    spec: { controllerName: gatewayController },
  }
}

interface Definition extends KubeObject {
  readonly spec?: { readonly versions?: readonly ({ readonly name?: string; readonly served?: boolean } | null)[] }
}

/** What Traefik 3.7 asks for: where the API server does not serve one of them, it serves no route at all. */
const neededVersions: Readonly<Record<string, string>> = {
  gatewayclasses: 'v1',
  gateways: 'v1',
  httproutes: 'v1',
  grpcroutes: 'v1',
  tlsroutes: 'v1',
  backendtlspolicies: 'v1',
  referencegrants: 'v1beta1',
}

/**
 * The definitions that the manifests do not bring themselves.
 * @throws ClusterTestError `ERR_MANIFEST_INVALID` for one that is too old
 */
function missingDefinitions(manifests: readonly Manifest[]): readonly Manifest[] {
  const brought = new Map(
    manifests.filter(({ object }) => kindOf(object) === 'CustomResourceDefinition').map((each) => [each.object.metadata.name, each]),
  )
  for (const [plural, version] of Object.entries(neededVersions)) {
    const own = brought.get(`${plural}.${gatewayGroup}`)
    if (!own) continue
    const { versions } = (own.object as Definition).spec ?? {}
    if (Array.isArray(versions) && !versions.some((each) => each?.name === version && each.served))
      throw new ClusterTestError(
        'ERR_MANIFEST_INVALID',
        `Manifest ${own.origin}: ${describeObject(own.object)} does not serve version ${version}, which the ingress controller reads.`,
        {
          hint: 'Leave the definitions of the Gateway API out of your stack: they come by themselves. Or set `ingress: false` and bring a controller of your own.',
        },
      )
  }
  return readDefinitions()
    .filter(({ metadata }) => !brought.has(metadata.name))
    .map((object) => ({ object, origin, isCommon: true }))
}

let definitions: readonly KubeObject[] | undefined

/** Of the version that Traefik is built with; `scripts/gateway-api.ts` has made them. */
function readDefinitions(): readonly KubeObject[] {
  return (definitions ??= JSON.parse(readFileSync(join(import.meta.dirname, 'gateway-api.json'), 'utf8')) as readonly KubeObject[])
}
