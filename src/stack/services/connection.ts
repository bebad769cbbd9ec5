import { bracketed } from '../../support/ip-range.ts'
import type { ServiceDefinition } from './definition.ts'

/** Where something is reached. */
export interface ServiceEndpoint {
  /** With user, password and database: what clients take as connection string. */
  readonly url: string
  /** Name or address. */
  readonly host: string
  /** Port on that host. */
  readonly port: number
}

/** How a test and how pods connect to a service. */
export type ServiceConnection<Details extends object = object> = ServiceEndpoint &
  Details & {
    /** The same for pods, and for code that is bridged. It also lies in the Secret of the service's name, with the keys `url`, `host`, `port` and whatever else the connection has. */
    readonly inCluster: ServiceEndpoint
  }

/** The connections of services, by name. */
export type ServiceConnections<Services> = {
  readonly [Name in keyof Services]: Services[Name] extends ServiceDefinition<infer Details> ? ServiceConnection<Details> : never
}

export function describeConnection<Details extends object>(
  definition: ServiceDefinition<Details>,
  outside: { readonly host: string; readonly port: number },
  inside: { readonly host: string; readonly port: number },
): ServiceConnection<Details> {
  return { ...definition.details, ...endpoint(definition, outside), inCluster: endpoint(definition, inside) }
}

/** The name and port that pods use. */
export function clusterAddress(
  name: string,
  namespace: string,
  { ports }: ServiceDefinition,
): { readonly host: string; readonly port: number } {
  return { host: `${name}.${namespace}`, port: Object.values(ports)[0]! }
}

export function endpoint(definition: ServiceDefinition, { host, port }: { host: string; port: number }): ServiceEndpoint {
  const { user = '', password } = definition.details as { readonly user?: string; readonly password?: string }
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}`
  const login = user || secret ? `${encodeURIComponent(user)}${secret}@` : ''
  return { url: `${definition.scheme}://${login}${bracketed(host)}:${port}${definition.urlPath}`, host, port }
}
