import { type Readable, addAbortSignal } from 'node:stream'

import type { Docker } from '../../docker/docker.ts'
import { removeContainer } from '../../docker/remove.ts'
import type { EndpointSlice, KubeList, Service } from '../../kube/types.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { bracketed, isIPv6 } from '../../support/ip-range.ts'
import type { Cluster, ClusterNode } from '../cluster.ts'
import { createHelper } from '../helper-container.ts'

/** A TCP port of a Service as the host reaches it. */
export interface ServiceAddress {
  readonly namespace: string
  readonly service: string
  /** Name of the Service's port; empty where it has none. */
  readonly portName: string
  readonly port: number
  /** 127.0.0.1, or ::1 for a Service of IPv6 alone. */
  readonly host: string
  readonly hostPort: number
}

export interface Gateway extends AsyncDisposable {
  readonly addresses: readonly ServiceAddress[]
}

/**
 * Publishes TCP ports of Services on loopback ports of the host. A container on the cluster's Docker network forwards
 * them by NAT to the Services' own addresses, so every connection takes the way that a pod's takes (kube-proxy, endpoints)
 * and no process stands in between, unlike with a port-forward.
 */
export async function startGateway(
  docker: Docker,
  cluster: Cluster,
  targets: readonly ServiceTarget[],
  signal: AbortSignal,
): Promise<Gateway> {
  if (targets.length === 0) return { addresses: [], [Symbol.asyncDispose]: async () => {} }
  signal.throwIfAborted()

  const ports = targets.map((target, index) => ({
    ...target,
    inside: `${firstPort + index}/tcp`,
    host: isIPv6(target.address) ? '::1' : '127.0.0.1',
  }))
  const container = await createHelper(docker, cluster, {
    role: 'gateway',
    script: gatewayScript(cluster.nodes[0]!, targets),
    Tty: true,
    ExposedPorts: Object.fromEntries(ports.map(({ inside }) => [inside, {}])),
    HostConfig: {
      NetworkMode: cluster.network,
      CapAdd: ['NET_ADMIN'],
      Sysctls: {
        'net.ipv4.ip_forward': '1',
        ...(targets.some(({ address }) => isIPv6(address)) && { 'net.ipv6.conf.all.forwarding': '1' }),
      },
      PortBindings: Object.fromEntries(ports.map(({ inside, host }) => [inside, [{ HostIp: host, HostPort: '' }]])),
    },
  })
  const remove = () => removeContainer(docker, container.id)
  try {
    const output = await container.attach({ stream: true, stdout: true, stderr: true })
    await container.start()
    await waitForRules(output, cluster.name, signal)
    const { NetworkSettings } = await container.inspect()
    const addresses = ports.map(({ inside, address: _address, targetPort: _targetPort, ...target }) => {
      const bound = NetworkSettings.Ports[inside]?.[0]
      if (!bound)
        throw new ClusterTestError(
          'ERR_DOCKER_REQUEST_FAILED',
          `Docker published no port for Service "${target.service}" port ${target.port}.`,
        )
      return { ...target, hostPort: Number(bound.HostPort) }
    })
    return { addresses, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** All Services of the cluster but those of kube-system. */
export async function listServices(cluster: Cluster, signal?: AbortSignal): Promise<readonly Service[]> {
  const { items } = await cluster.kube.request<KubeList<Service>>('GET', '/api/v1/services', { signal })
  return items.filter(
    ({ metadata }) => metadata?.namespace !== 'kube-system' && !(metadata?.namespace === 'default' && metadata.name === 'kubernetes'),
  )
}

const firstPort = 20_000

/** A port of a Service, and where it leads in the cluster at this moment. */
export interface ServiceTarget {
  readonly namespace: string
  readonly service: string
  readonly portName: string
  readonly port: number
  /** Where the gateway forwards to: the Service's own address and port, or a pod's. */
  readonly address: string
  readonly targetPort: number
}

/** Where Services of the cluster lead now. A headless one without a ready pod leads nowhere yet. */
export async function listTargets(
  cluster: Cluster,
  isOwn: (service: Service) => boolean,
  signal: AbortSignal,
): Promise<readonly ServiceTarget[]> {
  const services = (await listServices(cluster, signal)).filter(isOwn)
  const slices = services.some(isHeadless) ? await listEndpointSlices(cluster, signal) : []
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
    address,
    targetPort: port,
  }))
}

/** A headless Service has no address of its own: the one of a ready pod stands in, until that pod goes. */
function podTargets({ metadata, spec }: Service, slices: readonly EndpointSlice[]): readonly ServiceTarget[] {
  const own = slices.filter(
    (slice) => slice.metadata.namespace === metadata?.namespace && slice.metadata.labels?.['kubernetes.io/service-name'] === metadata?.name,
  )
  const ready = own.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false)
  const address = preferIPv4(ready.flatMap(({ addresses }) => addresses.slice(0, 1)))
  if (!address) return []
  return tcpPorts(spec?.ports).flatMap(({ name = '', port }) => {
    const targetPort = own.flatMap(({ ports }) => ports ?? []).find((each) => (each.name ?? '') === name)?.port
    return targetPort ? [{ namespace: metadata!.namespace!, service: metadata!.name!, portName: name, port, address, targetPort }] : []
  })
}

function tcpPorts(ports: NonNullable<Service['spec']>['ports'] = []) {
  return ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP')
}

async function listEndpointSlices(cluster: Cluster, signal: AbortSignal): Promise<readonly EndpointSlice[]> {
  return (await cluster.kube.request<KubeList<EndpointSlice>>('GET', '/apis/discovery.k8s.io/v1/endpointslices', { signal })).items
}

const readyWord = 'gateway-ready'

/** A port that Docker publishes takes connections before anything listens behind it. */
async function waitForRules(output: NodeJS.ReadableStream, cluster: string, signal: AbortSignal): Promise<void> {
  addAbortSignal(signal, output as Readable)
  let text = ''
  for await (const chunk of output) {
    text += String(chunk)
    if (text.includes(readyWord)) return
  }
  throw new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `The gateway of cluster "${cluster}" ended: ${text.trim()}`)
}

function gatewayScript({ address, address6 }: ClusterNode, targets: readonly ServiceTarget[]): readonly string[] {
  // A host's IPv6 connection can only go on over IPv6, and the other way round.
  const families = [
    { iptables: 'iptables-restore', bits: 32, via: address, isOwn: (target: ServiceTarget) => !isIPv6(target.address) },
    { iptables: 'ip6tables-restore', bits: 128, via: address6, isOwn: (target: ServiceTarget) => isIPv6(target.address) },
  ]
  return [
    ...families.flatMap(({ iptables, bits, via, isOwn }) => {
      const own = targets.map((target, index) => ({ ...target, index })).filter(isOwn)
      if (own.length === 0) return []
      const rules = own.map(
        ({ index, ...target }) =>
          `-A PREROUTING -p tcp --dport ${firstPort + index} -j DNAT --to-destination ${bracketed(target.address)}:${target.targetPort}`,
      )
      return [
        ...new Set(own.map((target) => `ip route replace ${target.address}/${bits} via ${via}`)),
        // One restore for all rules: a single iptables call takes some 10 ms each.
        `${iptables} --noflush <<'RULES'\n*nat\n${rules.join('\n')}\n-A POSTROUTING -j MASQUERADE\nCOMMIT\nRULES`,
      ]
    }),
    `echo ${readyWord}`,
  ]
}
