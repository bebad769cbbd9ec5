import { listOf } from './list-of.ts'
import type { KubeObject } from './object.ts'

/** Group of the Gateway API's kinds. */
export const gatewayGroup = 'gateway.networking.k8s.io'

/** By what Traefik knows the GatewayClasses that are its own. */
export const gatewayController = 'traefik.io/gateway-controller'

/** Kinds of routes that lead by names of hosts. */
export const routeKinds = ['HTTPRoute', 'GRPCRoute', 'TLSRoute'] as const

export type RouteKind = (typeof routeKinds)[number]

export type GatewayKind = RouteKind | 'GatewayClass' | 'Gateway' | 'TCPRoute' | 'UDPRoute'

/** Whether an object is of one of these kinds, in any version. */
export function isOfGatewayApi({ apiVersion, kind }: KubeObject, ...kinds: readonly GatewayKind[]): boolean {
  return apiVersion.startsWith(`${gatewayGroup}/`) && (kinds as readonly string[]).includes(kind)
}

export interface GatewayClass {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
}

export interface Gateway {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec?: { readonly gatewayClassName?: string; readonly listeners?: readonly Listener[] }
  readonly status?: { readonly listeners?: readonly { readonly name: string; readonly conditions?: readonly Condition[] }[] }
}

export interface Listener {
  readonly name: string
  readonly port: number
  /** HTTP, HTTPS, TLS, TCP, UDP. */
  readonly protocol: string
  readonly hostname?: string
  readonly tls?: { readonly certificateRefs?: readonly { readonly name: string; readonly namespace?: string }[] }
  readonly allowedRoutes?: {
    /** @default that of the Gateway */
    readonly namespaces?: { readonly from?: 'All' | 'Same' | 'Selector' }
    readonly kinds?: readonly { readonly kind: string }[]
  }
}

/** An HTTPRoute, GRPCRoute or TLSRoute. */
export interface GatewayRoute {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec?: {
    readonly parentRefs?: readonly ParentRef[]
    readonly hostnames?: readonly string[]
    readonly rules?: readonly {
      readonly matches?: readonly { readonly path?: { readonly value?: string } }[]
      readonly backendRefs?: readonly BackendRef[]
    }[]
  }
  readonly status?: {
    readonly parents?: readonly {
      readonly controllerName?: string
      readonly conditions?: readonly Condition[]
    }[]
  }
}

export interface Condition {
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

export interface BackendRef {
  /** @default '' */
  readonly group?: string
  /** @default 'Service' */
  readonly kind?: string
  readonly name: string
  /** @default that of the route */
  readonly namespace?: string
  readonly port?: number
}

export interface ParentRef {
  /** @default 'gateway.networking.k8s.io' */
  readonly group?: string
  /** @default 'Gateway' */
  readonly kind?: string
  readonly name: string
  /** @default that of the route */
  readonly namespace?: string
  /** Name of a listener. */
  readonly sectionName?: string
  readonly port?: number
}

/** The listeners of a Gateway that lead somewhere by name. */
export function listenersOf({ spec }: Gateway): readonly Listener[] {
  return listOf(spec?.listeners).filter(({ port, protocol }) => Number.isInteger(port) && ['HTTP', 'HTTPS', 'TLS'].includes(protocol))
}

/** The Gateways that a route names, and in which namespaces they are. */
export function parentGateways(
  { metadata, spec }: GatewayRoute,
  defaultNamespace: string,
): readonly { readonly ref: ParentRef; readonly namespace: string }[] {
  return listOf(spec?.parentRefs)
    .filter(({ group = gatewayGroup, kind = 'Gateway' }) => group === gatewayGroup && kind === 'Gateway')
    .map((ref) => ({ ref, namespace: ref.namespace ?? metadata.namespace ?? defaultNamespace }))
}
