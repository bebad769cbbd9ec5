import { hostFits } from '../cluster/network/host-fits.ts'
import { originOf } from '../cluster/network/ingress-routes.ts'
import type { ServiceAddress } from '../cluster/network/service-address.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/**
 * Where an Ingress is served.
 * @param ingress `name` or `name.namespace`
 * @param host one of its hosts, or one that its wildcard takes. @default the first that is no wildcard
 * @throws ClusterTestError `ERR_SERVICE_NOT_FOUND` with the Ingresses or hosts that exist
 */
export function ingressUrl(
  addresses: readonly ServiceAddress[],
  defaultNamespace: string,
  ingress: string,
  host?: number | string,
): string {
  const [name, namespace = defaultNamespace] = ingress.split('.')
  const isMeant = (route: { readonly namespace: string; readonly ingress: string }) =>
    route.ingress === name && route.namespace === namespace
  const serving = addresses.filter(({ routes = [] }) => routes.some(isMeant))
  const routes = (serving[0]?.routes ?? []).filter(isMeant)
  if (routes.length === 0)
    throw notFound(
      `There is no Ingress "${ingress}" in the cluster that the stack's ingress controller serves.`,
      ingressNames(addresses, defaultNamespace),
    )
  const found =
    host === undefined
      ? routes.find((route) => !route.host.startsWith('*'))
      : routes.find((route) => route.host === host || hostFits(route.host, String(host)))
  if (found) return originOf({ ...found, host: found.host.startsWith('*') ? String(host) : found.host }, serving)
  const hosts = [...new Set(routes.map((route) => route.host))]
  throw notFound(
    host === undefined ? `Ingress "${ingress}" has wildcard hosts only: say which host.` : `Ingress "${ingress}" has no host "${host}".`,
    hosts,
  )
}

/** By name of the Ingress. One with wildcard hosts only is none of them. */
export function ingressOrigins(addresses: readonly ServiceAddress[], defaultNamespace: string): Readonly<Record<string, string>> {
  const hasHost = addresses.map(({ routes = [], ...address }) => ({
    ...address,
    routes: routes.filter(({ host }) => !host.startsWith('*')),
  }))
  return Object.fromEntries(ingressNames(hasHost, defaultNamespace).map((name) => [name, ingressUrl(hasHost, defaultNamespace, name)]))
}

/** `web`, `web.shop` of another namespace. */
function ingressNames(addresses: readonly ServiceAddress[], defaultNamespace: string): readonly string[] {
  const routes = addresses.flatMap((address) => address.routes ?? [])
  return [...new Set(routes.map(({ ingress, namespace }) => (namespace === defaultNamespace ? ingress : `${ingress}.${namespace}`)))]
}

function notFound(message: string, names: readonly string[]): ClusterTestError {
  return new ClusterTestError('ERR_SERVICE_NOT_FOUND', message, { hint: `It has ${formatList(names)}.` })
}
