import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { isIPv6 } from '../../support/ip-range.ts'

/**
 * Lets no packet leave a node whose destination is still the address of a Service. kube-proxy (iptables mode, which k3s uses) refuses
 * those of a Service without endpoints, but its rules come and go in two steps, and k3s' controller of NetworkPolicies, which
 * writes the whole table as it has found it, takes the refusal back now and then (kube-router 2.6, fullPolicySync). What slips
 * through goes to the network that this machine is in, whoever has that address there, and is remembered so: all that belongs to
 * the connection follows, whatever endpoints the Service gets. Dropped before it is remembered, it is translated when it is sent
 * again, a second later.
 */
export async function dropUntranslated(
  docker: Docker,
  nodes: readonly { readonly name: string }[],
  ranges: readonly string[],
): Promise<void> {
  const commands = ranges.map((range) => `${isIPv6(range) ? 'ip6tables' : 'iptables'} -w 5 -t mangle -A POSTROUTING -d ${range} -j DROP`)
  await Promise.all(nodes.map(({ name }) => execInContainer(docker, name, ['sh', '-c', commands.join(' && ')])))
}
