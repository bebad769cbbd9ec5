import type { KubeClient } from '../../kube/client.ts'
import {
  type Gateway,
  type GatewayClass,
  type GatewayKind,
  type GatewayRoute,
  type Listener,
  type RouteKind,
  gatewayGroup,
  listenersOf,
  parentGateways,
  routeKinds,
} from '../../kube/gateway-api.ts'
import type { KubeList } from '../../kube/types.ts'
import { isOwnClass } from './own-class.ts'
import type { IngressRoute } from './service-address.ts'

/** Where the API server has objects of the Gateway API; undefined where it does not know them. */
export function gatewayResource(kube: KubeClient, kind: GatewayKind, signal?: AbortSignal): ReturnType<KubeClient['resource']> {
  return kube.resource(`${gatewayGroup}/v1`, kind, signal)
}

/**
 * What Gateways of ours are to serve. A route that fits none of its Gateway's listeners is told as if it did: whoever waits for it hears why
 * it is not served.
 * @param isServed whether the controller looks at a namespace
 */
export async function listGatewayRoutes(
  kube: KubeClient,
  isServed: (namespace: string) => boolean,
  signal?: AbortSignal,
): Promise<readonly IngressRoute[]> {
  const list = async <T>(kind: GatewayKind) => {
    const resource = await gatewayResource(kube, kind, signal)
    return resource ? (await kube.request<KubeList<T>>('GET', resource.path(), { signal })).items : []
  }
  const classes = await list<GatewayClass>('GatewayClass')
  const own = new Set(classes.filter(isOwnClass).map(({ metadata }) => metadata.name))
  if (own.size === 0) return []
  const [gateways, ...routes] = await Promise.all([
    list<Gateway>('Gateway'),
    ...routeKinds.map(async (kind) => (await list<GatewayRoute>(kind)).map((route) => ({ kind, route }))),
  ])
  const isOurs = ({ metadata, spec }: Gateway) => own.has(spec?.gatewayClassName ?? '') && isServed(metadata.namespace!)
  const ours = gateways.filter(isOurs)
  return routes
    .flat()
    .filter(({ route }) => isServed(route.metadata.namespace!))
    .flatMap(({ kind, route }) => routesOf(kind, route, ours))
}

function routesOf(kind: RouteKind, route: GatewayRoute, gateways: readonly Gateway[]): readonly IngressRoute[] {
  const { name, namespace = '' } = route.metadata
  const base = { kind: kind.toLowerCase() as Lowercase<typeof kind>, namespace, name }
  const targets = parentGateways(route, namespace).flatMap(({ ref, namespace: placed }) => {
    const gateway = gateways.find(({ metadata }) => metadata.name === ref.name && metadata.namespace === placed)
    const listeners = gateway ? listenersOf(gateway).filter(({ protocol }) => (protocol === 'TLS') === (kind === 'TLSRoute')) : []
    const meant = listeners.filter(
      (each) =>
        (!ref.sectionName || ref.sectionName === each.name) &&
        (!ref.port || ref.port === each.port) &&
        allows(each, kind, namespace === placed) &&
        hostsOf(each, route).length > 0,
    )
    return (meant.length > 0 ? meant : listeners.slice(0, 1)).flatMap((listener) => {
      const hosts = hostsOf(listener, route)
      const { port, protocol } = listener
      const own = { port, isTls: protocol !== 'HTTP', gateway: { namespace: placed, name: ref.name } }
      return (hosts.length > 0 ? hosts : (route.spec?.hostnames ?? [])).map((host) => ({ ...own, host }))
    })
  })
  const paths = (route.spec?.rules ?? []).flatMap(({ matches = [{}], backendRefs = [] }) => {
    const backend = backendRefs.find(({ group = '', kind: of = 'Service' }) => group === '' && of === 'Service')
    return matches.map(({ path }) => ({
      path: path?.value ?? '/',
      ...(backend && { backend: { namespace: backend.namespace ?? namespace, name: backend.name } }),
    }))
  })
  // What is served with TLS first: the other listener often leads there.
  return targets
    .toSorted((a, b) => Number(b.isTls) - Number(a.isTls))
    .flatMap((target) => paths.map((path) => ({ ...base, ...target, ...path })))
}

/** @param isNear whether the route is in the Gateway's namespace */
function allows({ allowedRoutes: { namespaces, kinds } = {} }: Listener, kind: string, isNear: boolean): boolean {
  return (isNear || ['All', 'Selector'].includes(namespaces?.from ?? 'Same')) && (!kinds || kinds.some((each) => each.kind === kind))
}

/** What both name; an empty host is any. */
function hostsOf({ hostname = '' }: Listener, { spec }: GatewayRoute): readonly string[] {
  const hosts = spec?.hostnames ?? []
  if (hostname === '' || hosts.length === 0) return hosts.length > 0 ? hosts : [hostname]
  return hosts.flatMap((host) => (takes(hostname, host) ? [host] : takes(host, hostname) ? [hostname] : []))
}

/** Here, unlike in Ingresses, `*.shop.localhost` takes `a.red.shop.localhost` too. */
function takes(pattern: string, host: string): boolean {
  return pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)))
}
