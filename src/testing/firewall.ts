import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'

const run = promisify(execFile)

/** Whether this process may set one. */
export const canStartFirewall = await run('iptables', ['-w', '-S', 'INPUT']).then(
  () => true,
  () => false,
)

/** What is left of those that a killed process has started for a cluster. */
export async function removeFirewall(cluster: string): Promise<void> {
  const rules = (await run('iptables-save', ['-t', 'filter'])).stdout.split('\n').filter((rule) => rule.includes(cluster))
  for (const rule of rules) await run('iptables', ['-w', ...rule.replace('-A', '-D').replaceAll('"', '').split(' ')])
}

/**
 * Lets nothing begin from a cluster to this machine; and nothing from this machine to the cluster but what Docker publishes, as where
 * Docker runs in a virtual machine. Only for the network of this one cluster, and until its disposal.
 * @param kind whether it swallows what comes, or refuses it
 */
export async function startFirewall(cluster: Pick<TestCluster, 'name'>, kind: 'DROP' | 'REJECT'): Promise<AsyncDisposable> {
  const { engine } = await connectDocker()
  const { IPAM, Containers = {} } = await engine.getNetwork(cluster.name).inspect()
  const subnet = IPAM!.Config![0]!.Subnet!
  const nodes = Object.values(Containers).flatMap(({ Name, IPv4Address }) => (Name.startsWith('k3d-') ? [IPv4Address.split('/')[0]!] : []))
  const begins = ['-m', 'conntrack', '--ctstate', 'NEW', '-m', 'comment', '--comment', cluster.name, '-j', kind]
  const rules = [
    ['INPUT', '-s', subnet],
    // docker-proxy brings what is for the API server, for Services and for relays.
    ...nodes.map((node) => ['OUTPUT', '-d', node, '-p', 'tcp', '!', '--dport', '6443']),
    ['OUTPUT', '-d', subnet, '-p', 'tcp', '--dport', '1024:6442'],
  ].map((rule) => [...rule, ...begins])
  const owned = new AsyncDisposableStack()
  try {
    for (const rule of rules) {
      await run('iptables', ['-w', '-I', ...rule])
      owned.defer(async () => void (await run('iptables', ['-w', '-D', ...rule])))
    }
  } catch (error) {
    await owned.disposeAsync()
    throw error
  }
  return owned
}
