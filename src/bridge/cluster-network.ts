import type { Cluster } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import { KubeStatusError } from '../kube/client.ts'
import type { KubeList, Service } from '../kube/types.ts'

/** How the cluster's network looks from the Docker network that its nodes are in. */
export interface ClusterNetwork {
  /** Range of the pods of each node, by its name. */
  readonly podCidrs: ReadonlyMap<string, string>
  readonly routes: readonly { readonly cidr: string; readonly via: string }[]
  /** Address of the cluster's DNS. */
  readonly dns: string
  /** Address of the host in the Docker network. */
  readonly gateway: string
}

interface Node {
  readonly metadata: { readonly name: string }
  readonly spec?: { readonly podCIDR?: string }
}

export async function readClusterNetwork(docker: Docker, cluster: Cluster, signal: AbortSignal): Promise<ClusterNetwork> {
  const { kube, nodes, network } = cluster
  const [list, dns, serviceCidrs, inspected] = await Promise.all([
    kube.request<KubeList<Node>>('GET', '/api/v1/nodes', { signal }),
    kube.request<Service>('GET', '/api/v1/namespaces/kube-system/services/kube-dns', { signal }),
    readServiceCidrs(cluster, signal),
    docker.engine.getNetwork(network).inspect() as Promise<{ IPAM?: { Config?: { Gateway?: string }[] } }>,
  ])
  const podCidrs = new Map(list.items.map(({ metadata, spec }) => [metadata.name, spec?.podCIDR ?? '']))
  return {
    podCidrs,
    routes: [
      ...nodes.map(({ name, address }) => ({ cidr: podCidrs.get(name)!, via: address })),
      ...serviceCidrs.map((cidr) => ({ cidr, via: nodes[0]!.address })),
    ],
    dns: dns.spec!.clusterIP!,
    gateway: inspected.IPAM?.Config?.find(({ Gateway }) => Gateway && !Gateway.includes(':'))?.Gateway ?? '',
  }
}

/** The API for it is there since Kubernetes 1.33; before that, k3s' default range is the /16 around the API server's own Service. */
async function readServiceCidrs({ kube }: Cluster, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const { items } = await kube.request<KubeList<{ spec: { cidrs: string[] } }>>('GET', '/apis/networking.k8s.io/v1/servicecidrs', {
      signal,
    })
    return items.flatMap(({ spec }) => spec.cidrs).filter((cidr) => !cidr.includes(':'))
  } catch (error) {
    if (!(error instanceof KubeStatusError && error.statusCode === 404)) throw error
    const { spec } = await kube.request<Service>('GET', '/api/v1/namespaces/default/services/kubernetes', { signal })
    return [`${spec!.clusterIP!.split('.').slice(0, 2).join('.')}.0.0/16`]
  }
}
