import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { kubectl } from './nodes.ts'
import { nodesOf } from './take-stock.ts'

/** Where Services lead, rules of bridges, and connections that have not ended, on the node and in each pod. */
const script = `
iptables-save -t nat | grep -e '-A KUBE-SEP.*DNAT'
iptables-save -c -t mangle | grep VK-
conntrack -L -p tcp 2>/dev/null | grep -v -e TIME_WAIT -e dport=6443
for ns in /var/run/netns/*; do
  nsenter --net=$ns sh -c 'ip -o address show eth0 | grep -o "inet6* [^ ]*"
    iptables-save -c | grep VK-; conntrack -L -p tcp 2>/dev/null | grep -v TIME_WAIT; cat /proc/net/tcp /proc/net/tcp6 | grep " 0[1-9A] "'
done
:`

/** For the message of a failure that nobody can look into later: pods, events, and what the nodes do with connections. */
export async function explain(cluster: TestCluster): Promise<string> {
  const docker = await connectDocker()
  const nodes = (await nodesOf(cluster)).map(
    async (node) => `${node}:\n${await execInContainer(docker, node, ['sh', '-c', script], { timeout: 60_000 })}`,
  )
  const said = await Promise.all([
    kubectl(cluster, 'get pods,endpointslices -A -o wide'),
    kubectl(cluster, 'get events -A --field-selector type=Warning'),
    ...nodes,
  ])
  return said.join('\n')
}
