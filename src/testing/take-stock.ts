import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { createKubeClient } from '../kube/client.ts'
import type { KubeList, Pod } from '../kube/types.ts'

/** takeStock, once kubelet has written the last of what it knows of the pods. */
export async function takeSettledStock(cluster: TestCluster): ReturnType<typeof takeStock> {
  let last = await takeStock(cluster)
  while (true) {
    await sleep(2_000)
    const stock = await takeStock(cluster)
    if (isDeepStrictEqual(stock, last)) return stock
    last = stock
  }
}

/** Rules and switches of each pod's namespace, our rules on the node itself, our files and processes. */
const script = `
for ns in /var/run/netns/*; do
  echo $ns
  nsenter --net=$ns sh -c 'for family in "" 6; do ip\${family}tables-save | grep -e ^-A; done
    ip -6 route show table local
    cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/route_localnet /proc/sys/net/ipv6/conf/all/forwarding'
done
for family in "" 6; do ip\${family}tables-save | grep VK-; done
ls -A /run/vitest-kubernetes 2>/dev/null
ps -o args | grep -e '[c]tr -n k8s.io events' -e '[o]n_sandbox()'
:`

/** Everything that a bridge could leave: objects, rules of every namespace, containers, files and processes on the nodes. */
export async function takeStock(cluster: TestCluster) {
  const kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
  const docker = await connectDocker()
  const list = async (path: string) =>
    (await kube.request<KubeList<Pod>>('GET', path)).items.map((object) =>
      path.endsWith('/pods') ? withoutStatus(object) : JSON.stringify(object),
    )
  const nodes = await nodesOf(cluster)
  return {
    objects: await Promise.all(
      ['pods', 'services', 'configmaps']
        .map((kind) => list(`/api/v1/namespaces/default/${kind}`))
        .concat(list('/apis/apps/v1/deployments')),
    ),
    nodes: await Promise.all(nodes.map((node) => execInContainer(docker, node, ['sh', '-c', script], { timeout: 60_000 }))),
    containers: await namesByLabel(`vitest-kubernetes.cluster=${cluster.name}`),
  }
}

/** The kubelet writes to the status of a pod up to 15 s after its start (`resources`, 1.36 on cgroup v1), and each write counts as a version. */
function withoutStatus({ status: _status, metadata, ...rest }: Pod): string {
  const { resourceVersion: _version, managedFields: _fields, ...kept } = metadata!
  return JSON.stringify({ name: kept.name, ...rest, metadata: kept })
}

/** Names of the containers of a cluster's nodes. */
export function nodesOf(cluster: TestCluster): Promise<readonly string[]> {
  return namesByLabel(`k3d.cluster=${cluster.name}`)
}

async function namesByLabel(label: string): Promise<readonly string[]> {
  const docker = await connectDocker()
  return (await docker.engine.listContainers({ filters: { label: [label] } }))
    .map(({ Names }) => Names[0]!.slice(1))
    .toSorted((a, b) => a.localeCompare(b))
}
