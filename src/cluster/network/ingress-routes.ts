import type { KubeClient } from '../../kube/client.ts'
import { apiPath } from '../../kube/kinds.ts'
import { listAll } from '../../kube/list-all.ts'
import type { Ingress, IngressBackend, IngressClass, Service } from '../../kube/types.ts'
import { bracketed } from '../../support/ip-range.ts'
import { listGatewayRoutes } from './gateway-routes.ts'
import { isOwnClass } from './own-class.ts'
import type { IngressRoute, ServiceAddress } from './service-address.ts'

/** Name of the Service of a stack's ingress controller, and of all else that it is made of. */
export const controllerName = 'ingress'

/** On that Service: the namespaces whose Ingresses and Gateways it serves, `shop,default`; `*` for all. */
export const namespacesAnnotation = 'vitest-kubernetes.ingress/namespaces'

/** The same addresses; that of an ingress controller of ours with what it serves. */
export async function withRoutes(
  kube: KubeClient,
  addresses: readonly ServiceAddress[],
  signal?: AbortSignal,
): Promise<readonly ServiceAddress[]> {
  /** Nobody has opened a port for a Gateway that is not the stack's. */
  const isReached = ({ namespace }: ServiceAddress, { port }: IngressRoute) =>
    addresses.some((each) => each.service === controllerName && each.namespace === namespace && each.port === port)
  const namespaces = new Set(addresses.filter(({ service }) => service === controllerName).map(({ namespace }) => namespace))
  const routes = new Map<string, readonly IngressRoute[]>()
  for (const namespace of namespaces) routes.set(namespace, await listRoutes(kube, namespace, signal))
  return addresses.map((address) => {
    const own = address.service === controllerName ? (routes.get(address.namespace) ?? []).filter((route) => isReached(address, route)) : []
    return own.length > 0 ? { ...address, routes: own } : address
  })
}

/** What the ingress controller of that namespace is to serve; nothing where there is none of ours. */
async function listRoutes(kube: KubeClient, namespace: string, signal?: AbortSignal): Promise<readonly IngressRoute[]> {
  const controller = await kube.find<Service>(apiPath('Service', namespace, controllerName), { signal })
  const served = controller?.metadata?.annotations?.[namespacesAnnotation]
  if (served === undefined) return []
  const isServedNamespace = (each: string) => served === '*' || served.split(',').includes(each)
  const [ingresses, classes, ofGateways] = await Promise.all([
    listAll<Ingress>(kube, 'Ingress', signal),
    listAll<IngressClass>(kube, 'IngressClass', signal),
    listGatewayRoutes(kube, isServedNamespace, signal),
  ])
  const others = new Set(classes.filter((each) => !isOwnClass(each)).map(({ metadata }) => metadata?.name))
  const isServed = (ingress: Ingress) =>
    isServedNamespace(ingress.metadata!.namespace!) &&
    !others.has(ingress.spec?.ingressClassName) &&
    foreignClass(ingress) === undefined &&
    // Part of another Ingress' rules.
    ingress.metadata?.annotations?.['nginx.ingress.kubernetes.io/canary'] !== 'true'
  return [...ingresses.filter(isServed).flatMap(routesOf), ...ofGateways]
}

/** Also by the annotation that named it before there was a field for it. */
export function classOf({ metadata, spec }: Ingress): string | undefined {
  return spec?.ingressClassName ?? metadata?.annotations?.['kubernetes.io/ingress.class']
}

/** A class that is only annotated, for which there is no IngressClass: Traefik knows its own and nginx' by that. */
export function foreignClass(ingress: Ingress): string | undefined {
  const name = ingress.spec?.ingressClassName === undefined ? classOf(ingress) : undefined
  return name && !['nginx', 'traefik'].includes(name) ? name : undefined
}

function routesOf(ingress: Ingress): readonly IngressRoute[] {
  const { metadata, spec } = ingress
  const namespace = metadata!.namespace!
  const base = { kind: 'ingress', namespace, name: metadata!.name! } as const
  const secured = new Set((spec?.tls ?? []).flatMap(({ hosts = [] }) => hosts))
  const route = (host: string, path: string, to: IngressBackend | undefined): readonly IngressRoute[] => {
    const isTls = secured.has(host)
    const backend = to?.service && { namespace, name: to.service.name }
    return backend ? [{ ...base, host, path, isTls, port: isTls ? 443 : 80, backend }] : []
  }
  return [
    ...(spec?.rules ?? []).flatMap(({ host = '', http }) =>
      (http?.paths ?? []).flatMap(({ path = '/', backend }) => route(host, path, backend)),
    ),
    ...(servesDefault(ingress) ? route('', '/', spec?.defaultBackend) : []),
  ]
}

/** Traefik takes a default backend for one of an Ingress that has nothing else; with nginx' meaning of Ingresses it takes any. */
export function servesDefault(ingress: Ingress): boolean {
  return !ingress.spec?.rules?.length || classOf(ingress) === 'nginx'
}

/** A path of an Ingress, or of a route of the Gateway API, for people and scripts. */
export interface PublishedIngress {
  readonly kind: IngressRoute['kind']
  /** `web`, with its namespace unless that is `default`: `web.shop`. */
  readonly name: string
  /** `http://shop.localhost:4000/cart`. */
  readonly url: string
}

/** All that is served by rules of Ingresses and Gateways. */
export function publishedIngresses(addresses: readonly ServiceAddress[]): readonly PublishedIngress[] {
  return addresses
    .filter(({ port }) => port === 80)
    .flatMap(({ namespace: placed, routes = [] }) => {
      const serving = addresses.filter(({ service, namespace }) => service === controllerName && namespace === placed)
      return routes.map((route) => ({
        kind: route.kind,
        name: route.namespace === 'default' ? route.name : `${route.name}.${route.namespace}`,
        url: originOf(route, serving) + route.path,
      }))
    })
}

/** `http://shop.localhost:4000`. */
export function originOf(
  { host, port, isTls }: Pick<IngressRoute, 'host' | 'port' | 'isTls'>,
  addresses: readonly ServiceAddress[],
): string {
  const scheme = isTls ? 'https' : 'http'
  const address = addresses.find((each) => each.port === port)!
  const isDefault = address.hostPort === (isTls ? 443 : 80)
  return `${scheme}://${host === '' ? bracketed(address.host) : host}${isDefault ? '' : `:${address.hostPort}`}`
}
