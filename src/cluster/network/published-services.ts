import type { ContainerInfo } from '../../docker/docker.ts'
import { bracketed } from '../../support/ip-range.ts'
import { firstPort } from './gateway-scripts.ts'
import type { ServiceAddress } from './service-address.ts'

/** What a gateway publishes, in the order of its ports: of its container, so that others than its run can tell. */
export const servicesLabel = 'vitest-kubernetes.services'

interface ServicePort {
  readonly namespace: string
  readonly service: string
  readonly portName: string
  readonly port: number
}

/** A port of a Service, for people. */
export interface PublishedService {
  /** `orders`, with its namespace unless that is `default`: `orders.shop`. */
  readonly name: string
  readonly port: number
  /** `http://127.0.0.1:40001` for HTTP, `127.0.0.1:40002` for anything else. */
  readonly address: string
}

/** Value of the label. */
export function describeServices(ports: readonly ServicePort[]): string {
  return JSON.stringify(ports.map(({ namespace, service, portName, port }) => ({ namespace, service, portName, port })))
}

/** What the gateways among these containers publish. */
export function readServices(containers: readonly Pick<ContainerInfo, 'Labels' | 'Ports'>[]): readonly PublishedService[] {
  return readAddresses(containers).map(publishedService)
}

/** The same for programs. */
export function readAddresses(containers: readonly Pick<ContainerInfo, 'Labels' | 'Ports'>[]): readonly ServiceAddress[] {
  return containers.flatMap(({ Labels, Ports }) => {
    return parseServices(Labels[servicesLabel]).flatMap((service, index) => {
      // A gateway that does not run publishes nothing.
      const port = Ports.find(({ PrivatePort, PublicPort }) => PublicPort && PrivatePort === firstPort + index)
      return port ? [{ ...service, host: port.IP, hostPort: port.PublicPort }] : []
    })
  })
}

/** Anybody may label a container: what is none of ours lists nothing, and breaks neither `list` nor `prune`. */
function parseServices(text = '[]'): readonly ServicePort[] {
  try {
    const services: unknown = JSON.parse(text)
    return Array.isArray(services) && services.every(isServicePort) ? services : []
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

function isServicePort(value: unknown): value is ServicePort {
  const { namespace, service, portName, port } = (value ?? {}) as Record<string, unknown>
  return [namespace, service, portName].every((each) => typeof each === 'string') && typeof port === 'number'
}

/** A line for each: `orders:80  http://127.0.0.1:40001`; what has no port of its own stands by its name. */
export function formatServices(services: readonly (Omit<PublishedService, 'port'> & { readonly port?: number })[]): readonly string[] {
  const names = services.map(({ name, port }) => (port === undefined ? name : `${name}:${port}`))
  const width = Math.max(...names.map(({ length }) => length))
  return services.map(({ address }, index) => `${names[index]!.padEnd(width)}  ${address}`)
}

export function publishedService({ namespace, service, portName, port, host, hostPort }: ServiceAddress): PublishedService {
  const isTls = port === 443 || portName.startsWith('https')
  const scheme = isTls ? 'https://' : portName.startsWith('http') || [80, 3000, 8000, 8080].includes(port) ? 'http://' : ''
  return {
    name: namespace === 'default' ? service : `${service}.${namespace}`,
    port,
    address: `${scheme}${bracketed(host)}:${hostPort}`,
  }
}
