import { hostFits } from '../cluster/network/host-fits.ts'
import { originOf } from '../cluster/network/ingress-routes.ts'
import type { IngressRoute, ServiceAddress } from '../cluster/network/service-address.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/** Kinds that have URLs of their own, `httproute/web`, and their names for people. */
const kinds: Readonly<Record<IngressRoute['kind'], string>> = {
  ingress: 'Ingress',
  httproute: 'HTTPRoute',
  grpcroute: 'GRPCRoute',
  tlsroute: 'TLSRoute',
}

/** Whether it names an object of these kinds, and not a Service. */
export function isIngressName(name: string): name is `${IngressRoute['kind']}/${string}` {
  return Object.keys(kinds).some((kind) => name.startsWith(`${kind}/`))
}

/**
 * Where an Ingress, or a route of the Gateway API, is served.
 * @param wanted `ingress/name`, `httproute/name.namespace`
 * @param host one of its hosts, or one that its wildcard takes. @default the first that is no wildcard
 * @throws ClusterTestError `ERR_SERVICE_NOT_FOUND` with the objects of that kind, or the hosts, that exist
 */
export function ingressUrl(
  addresses: readonly ServiceAddress[],
  defaultNamespace: string,
  wanted: `${IngressRoute['kind']}/${string}`,
  host?: number | string,
): string {
  const [kind, full] = wanted.split('/') as [IngressRoute['kind'], string]
  // Their own names may have dots.
  const isMeant = ({ kind: of, name, namespace }: IngressRoute) =>
    of === kind && ((name === full && namespace === defaultNamespace) || `${name}.${namespace}` === full)
  const serving = addresses.filter(({ routes = [] }) => routes.some(isMeant))
  const routes = (serving[0]?.routes ?? []).filter(isMeant)
  const what = `${kinds[kind]} "${full}"`
  if (routes.length === 0) {
    const there = ingressNames(addresses, defaultNamespace).filter((each) => each.startsWith(`${kind}/`))
    throw notFound(`There is no ${what} in the cluster that the stack's ingress controller serves.`, there.map(withoutKind))
  }
  const found =
    host === undefined
      ? routes.find((route) => !route.host.startsWith('*'))
      : routes.find((route) => route.host === host || hostFits(route, String(host)))
  if (found) return originOf({ ...found, host: found.host.startsWith('*') ? String(host) : found.host }, serving)
  const hosts = [...new Set(routes.map((route) => route.host))]
  throw notFound(host === undefined ? `${what} has wildcard hosts only: say which host.` : `${what} has no host "${host}".`, hosts)
}

/** By `kind/name`. What has wildcard hosts only is none of them. */
export function ingressOrigins(addresses: readonly ServiceAddress[], defaultNamespace: string): Readonly<Record<string, string>> {
  const hasHost = addresses.map(({ routes = [], ...address }) => ({
    ...address,
    routes: routes.filter(({ host }) => !host.startsWith('*')),
  }))
  return Object.fromEntries(ingressNames(hasHost, defaultNamespace).map((name) => [name, ingressUrl(hasHost, defaultNamespace, name)]))
}

/** `ingress/web`, `httproute/web.shop` of another namespace. */
function ingressNames(addresses: readonly ServiceAddress[], defaultNamespace: string) {
  const routes = addresses.flatMap((address) => address.routes ?? [])
  return [
    ...new Set(
      routes.map(({ kind, name, namespace }) => `${kind}/${namespace === defaultNamespace ? name : `${name}.${namespace}`}` as const),
    ),
  ]
}

function withoutKind(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}

function notFound(message: string, names: readonly string[]): ClusterTestError {
  return new ClusterTestError('ERR_SERVICE_NOT_FOUND', message, { hint: `It has ${formatList(names)}.` })
}
