import { listAll } from '../../kube/list-all.ts'
import type { EndpointSlice, Service } from '../../kube/types.ts'
import { isIPv6 } from '../../support/ip-range.ts'
import type { Cluster } from '../cluster.ts'

/** A TCP port of a Service, and where it leads in the cluster at this moment. */
export interface ServiceTarget {
  readonly namespace: string
  readonly service: string
  /** Name of the Service's port; empty where it has none. */
  readonly portName: string
  readonly port: number
  /** Whether this machine reaches it by IPv6. */
  readonly isIPv6: boolean
  /** The Service's own address and port, or a pod's. undefined while a headless Service has no ready pod. */
  readonly lead: Lead | undefined
}

export interface Lead {
  readonly address: string
  readonly port: number
}

/** Where Services of the cluster lead now. */
export async function listTargets(
  cluster: Pick<Cluster, 'kube'>,
  isOwn: (service: Service) => boolean,
  signal: AbortSignal,
): Promise<readonly ServiceTarget[]> {
  const services = (await listServices(cluster, signal)).filter(isOwn)
  return targetsOf(services, services.some(isHeadless) ? await listAll<EndpointSlice>(cluster.kube, 'EndpointSlice', signal) : [])
}

/** All Services of the cluster but its own. */
export async function listServices({ kube }: Pick<Cluster, 'kube'>, signal?: AbortSignal): Promise<readonly Service[]> {
  return (await listAll<Service>(kube, 'Service', signal)).filter(isUsers)
}

export function isUsers({ metadata }: Service): boolean {
  return metadata?.namespace !== 'kube-system' && !(metadata?.namespace === 'default' && metadata.name === 'kubernetes')
}

export function targetsOf(services: readonly Service[], slices: readonly EndpointSlice[]): readonly ServiceTarget[] {
  return services.flatMap((service) => (isHeadless(service) ? podTargets(service, slices) : serviceTargets(service)))
}

/** A Service's own addresses, the first one of the family that it prefers. */
export function clusterAddresses(spec: Service['spec']): readonly string[] {
  const { clusterIP, clusterIPs = clusterIP ? [clusterIP] : [] } = spec ?? {}
  return clusterIPs.filter((address) => address !== 'None' && address !== '')
}

/** From the host, a Service of both families is reached over IPv4: its containers may listen on that alone. */
function preferIPv4(addresses: readonly string[]): string | undefined {
  return addresses.find((address) => !isIPv6(address)) ?? addresses[0]
}

function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === 'None'
}

function serviceTargets({ metadata, spec }: Service): readonly ServiceTarget[] {
  const address = preferIPv4(clusterAddresses(spec))
  if (!address) return []
  return tcpPorts(spec?.ports).map(({ name = '', port }) => ({
    namespace: metadata!.namespace!,
    service: metadata!.name!,
    portName: name,
    port,
    isIPv6: isIPv6(address),
    lead: { address, port },
  }))
}

/** A headless Service has no address of its own: the one of a ready pod stands in, until that pod goes. */
function podTargets({ metadata, spec }: Service, slices: readonly EndpointSlice[]): readonly ServiceTarget[] {
  const { ipFamilies = ['IPv4'], ports } = spec ?? {}
  const hasIPv4 = ipFamilies.includes('IPv4')
  const own = slices.filter(
    (slice) => slice.metadata.namespace === metadata?.namespace && slice.metadata.labels?.['kubernetes.io/service-name'] === metadata?.name,
  )
  const ready = own.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false)
  const address = ready.flatMap(({ addresses }) => addresses.slice(0, 1)).find((each) => isIPv6(each) !== hasIPv4)
  return tcpPorts(ports).map(({ name = '', port }) => {
    const ofPod = own.flatMap((slice) => slice.ports ?? []).find((each) => (each.name ?? '') === name)?.port
    return {
      namespace: metadata!.namespace!,
      service: metadata!.name!,
      portName: name,
      port,
      isIPv6: !hasIPv4,
      lead: address && ofPod ? { address, port: ofPod } : undefined,
    }
  })
}

function tcpPorts(ports: NonNullable<Service['spec']>['ports'] = []) {
  return ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP')
}
