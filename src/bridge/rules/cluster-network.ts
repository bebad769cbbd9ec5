import type { Cluster, ClusterNode } from '../../cluster/cluster.ts'
import type { Docker } from '../../docker/docker.ts'
import type { KubeList, Service } from '../../kube/types.ts'
import { isIPv6 } from '../../support/ip-range.ts'

/** How the cluster's network looks from the Docker network that its nodes are in. */
export interface ClusterNetwork {
  /** Ranges of the pods of each node, by its name: of IPv4, and of IPv6 where the cluster has it. */
  readonly podCidrs: ReadonlyMap<string, readonly string[]>
  readonly routes: readonly { readonly cidr: string; readonly via: string }[]
  /** Address of the cluster's DNS. */
  readonly dns: string
  readonly hasIPv6: boolean
  /** Addresses of the Docker network's gateway, for each family of the cluster, that of IPv4 first. */
  readonly gateways: readonly string[]
}

interface Node {
  readonly metadata: { readonly name: string }
  readonly spec?: { readonly podCIDRs?: readonly string[] }
}

export async function readClusterNetwork(docker: Docker, cluster: Cluster, signal: AbortSignal): Promise<ClusterNetwork> {
  const { kube, nodes, network } = cluster
  const [list, dns, serviceCidrs, inspected] = await Promise.all([
    kube.request<KubeList<Node>>('GET', '/api/v1/nodes', { signal }),
    kube.request<Service>('GET', '/api/v1/namespaces/kube-system/services/kube-dns', { signal }),
    readServiceCidrs(cluster, signal),
    docker.engine.getNetwork(network).inspect() as Promise<{ IPAM?: { Config?: { Gateway?: string }[] } }>,
  ])
  const podCidrs = new Map(list.items.map(({ metadata, spec }) => [metadata.name, spec?.podCIDRs ?? []]))
  const hasIPv6 = [...podCidrs.values()].flat().some(isIPv6)
  const gateways = (inspected.IPAM?.Config ?? []).flatMap(({ Gateway }) => Gateway?.split('/')[0] ?? [])
  return {
    podCidrs,
    routes: [
      ...nodes.flatMap((node) => podCidrs.get(node.name)!.flatMap((cidr) => routeTo(cidr, node))),
      ...serviceCidrs.flatMap((cidr) => routeTo(cidr, nodes[0]!)),
    ],
    dns: dns.spec!.clusterIP!,
    hasIPv6,
    gateways: [gateways.find((gateway) => !isIPv6(gateway)) ?? '', (hasIPv6 && gateways.find(isIPv6)) || []].flat(),
  }
}

/** None to a range of IPv6 on a network without it. */
function routeTo(cidr: string, { address, address6 }: ClusterNode) {
  const via = isIPv6(cidr) ? address6 : address
  return via ? [{ cidr, via }] : []
}

/** The API for it is there since Kubernetes 1.33; before that, k3s' default range is the /16 around the API server's own Service. */
async function readServiceCidrs({ kube }: Cluster, signal: AbortSignal): Promise<readonly string[]> {
  const list = await kube.find<KubeList<{ spec: { cidrs: string[] } }>>('/apis/networking.k8s.io/v1/servicecidrs', { signal })
  if (list) return list.items.flatMap(({ spec }) => spec.cidrs)
  const { spec } = await kube.request<Service>('GET', '/api/v1/namespaces/default/services/kubernetes', { signal })
  return [`${spec!.clusterIP!.split('.').slice(0, 2).join('.')}.0.0/16`]
}
