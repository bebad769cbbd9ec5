import { publishedService } from '../cluster/network/published-services.ts'
import type { ServiceAddress } from '../cluster/network/service-address.ts'
import type { ServiceEndpoint } from '../stack/services/connection.ts'
import { ingressOrigins } from './ingress-url.ts'

/** What variables are made of. */
export interface ServiceEnvOptions {
  readonly addresses: readonly ServiceAddress[]
  readonly namespace: string
  /** Of the option `services`. */
  readonly services: Readonly<Record<string, ServiceEndpoint>>
}

/**
 * Variables for a program on this machine that uses the Services of a cluster: `ORDERS_URL`, `ORDERS_HOST` and `ORDERS_PORT` for `orders`,
 * `DB_URL` with login and database, `DB_USER` and so on for the database `db`, `ORDERS_SHOP_URL` for one of namespace `shop`. Of several
 * ports each has a set with its name or number, `ORDERS_METRICS_URL`, and the one named `http` the plain one too. `INGRESS_WEB_URL` is
 * where the Ingress `web` is served, `HTTPROUTE_WEB_URL` the HTTPRoute `web`.
 */
export function serviceEnv({ addresses, namespace, services }: ServiceEnvOptions): Readonly<Record<string, string>> {
  const env: Record<string, string> = {}
  const groups = Object.groupBy(addresses, (each) => (each.namespace === namespace ? each.service : `${each.service}.${each.namespace}`))
  for (const [name, group = []] of Object.entries(groups)) {
    for (const address of group) {
      const set = variables(address)
      if (group.length > 1) Object.assign(env, prefixed(`${name}_${address.portName || address.port}`, set))
      if (group.length === 1 || address.portName === 'http') Object.assign(env, prefixed(name, set))
    }
  }
  for (const [name, url] of Object.entries(ingressOrigins(addresses, namespace))) Object.assign(env, prefixed(name, { url }))
  for (const [name, { host: _host, port: _port, ...connection }] of Object.entries(services)) {
    const { url } = connection
    const details = Object.entries(connection).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    Object.assign(env, prefixed(name, { ...Object.fromEntries(details), url }), prefixed(name, hostOf(services[name]!)))
  }
  return env
}

function variables(address: ServiceAddress): Readonly<Record<string, string>> {
  const { address: url } = publishedService(address)
  return { ...(url.includes('://') && { url }), ...hostOf({ host: address.host, port: address.hostPort }) }
}

function hostOf({ host, port }: Pick<ServiceEndpoint, 'host' | 'port'>): Readonly<Record<string, string>> {
  return { host, port: String(port) }
}

function prefixed(prefix: string, set: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(set).map(([key, value]) => [nameOf(`${prefix}_${key}`), value]))
}

/** As POSIX has names of variables; one that begins with a digit is none. */
function nameOf(text: string): string {
  return text
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, '_')
    .replace(/^(?=\d)/, '_')
}

/** A line of a `.env` file, as dotenv and shells read it. */
export function formatEnv(name: string, value: string): string {
  if (/^[\w./:@%+,=-]*$/.test(value)) return `${name}=${value}`
  if (!value.includes("'")) return `${name}='${value}'`
  return `${name}="${value.replaceAll(/["\\$`]/g, '\\$&').replaceAll('\n', '\\n')}"`
}
