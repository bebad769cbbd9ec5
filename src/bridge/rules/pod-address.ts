import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { shellScript } from '../../support/shell-script.ts'

const takeAddress = shellScript<'address' | 'via'>(import.meta.dirname, 'take-pod-address.sh')
const reachAddress = shellScript<'address' | 'ports'>(import.meta.dirname, 'reach-pod-address.sh')

/** Milliseconds. */
const timeout = 30_000

/**
 * Lets programs in a member bind to the address of the pod that they replace, as those do that take it from a variable.
 * What they send to that address goes to the pod all the same.
 *
 * @param via address of the pod's node
 */
export async function takePodAddress(docker: Docker, holder: string, address: string, via: string): Promise<void> {
  await execInContainer(docker, holder, takeAddress({ address, via }), { timeout })
}

/** Sends what comes for these ports to the pod's address, where a program listens there and on no other. */
export async function reachPodAddress(docker: Docker, holder: string, address: string, ports: readonly number[]): Promise<void> {
  const words = ports.map((port) => `${port},${hexadecimal(address)}:${hex(port, 4)}`)
  await execInContainer(docker, holder, reachAddress({ address, ports: words.join(' ') }), { timeout })
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
