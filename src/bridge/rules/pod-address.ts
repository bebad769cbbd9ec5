import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'

/** A number that nothing else in the network namespace of a member has. */
const table = 77

/**
 * Lets programs in a member bind to the address of the pod that they replace, as those do that take it from a variable.
 * What they send to that address goes to the pod all the same.
 *
 * @param via address of the pod's node
 */
export async function takePodAddress(docker: Docker, holder: string, address: string, via: string): Promise<void> {
  const script = `
ip route add ${address}/32 via ${via} table ${table}
# Of what comes from here; iif lo is no device in this case, see ip-rule(8). The kernel's own rule comes after it.
ip rule add iif lo to ${address}/32 lookup ${table} pref 1
ip rule add lookup local pref 2
ip rule del pref 0
ip address add ${address}/32 dev lo`
  await execInContainer(docker, holder, ['sh', '-ec', script])
}

/** Sends what comes for these ports to the pod's address, where a program listens there and on no other. */
export async function reachPodAddress(docker: Docker, holder: string, address: string, ports: readonly number[]): Promise<void> {
  const script = ports.map(
    (port) =>
      `grep -q ' ${hexadecimal(address)}:${hex(port, 4)} 00000000:0000 0A ' /proc/net/tcp && iptables -w 5 -t nat -A PREROUTING -p tcp --dport ${port} -j DNAT --to-destination ${address}:${port}`,
  )
  await execInContainer(docker, holder, ['sh', '-c', [...script, ':'].join('\n')])
}

/** As proc_net_tcp(5) writes addresses: four bytes, the last one first. */
function hexadecimal(address: string): string {
  return address
    .split('.')
    .toReversed()
    .map((byte) => hex(Number(byte), 2))
    .join('')
}

function hex(number: number, length: number): string {
  return number.toString(16).toUpperCase().padStart(length, '0')
}
