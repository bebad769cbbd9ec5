import { ClusterTestError } from '../../support/errors.ts'
import type { PortMapping } from '../rules/ports.ts'
import type { Forward } from '../rules/rules.ts'
import { startForwarder } from './forwarder.ts'
import type { Listener } from './member.ts'

const loopback = '127.0.0.1'

interface ForwardOptions {
  /** For errors. */
  readonly program: string
  /** Of this machine. */
  readonly listeners: readonly Listener[]
  /** Of this machine, by which the cluster reaches it: that of IPv4 first. */
  readonly addresses: readonly string[]
  /** For what listens in place of programs that do so on loopback only. */
  readonly cleanup: AsyncDisposableStack
}

/**
 * Where the cluster's network reaches the ports of a program on this machine.
 * @throws ClusterTestError `ERR_BRIDGE_NOT_LISTENING` for datagrams that the program takes on loopback only
 */
export async function forwardPorts(ports: readonly PortMapping[], options: ForwardOptions): Promise<readonly Forward[]> {
  const forwards: Forward[] = []
  for (const mapping of ports) for (const address of options.addresses) forwards.push(...(await forwardPort(mapping, address, options)))
  return forwards
}

async function forwardPort(mapping: PortMapping, address: string, options: ForwardOptions): Promise<readonly Forward[]> {
  const { port, protocol, local } = mapping
  const { program, listeners, addresses, cleanup } = options
  const isFirst = address === addresses[0]
  const isDirect = (listener: Listener) => (listener.isLoopback ? address === loopback && !listener.isIPv6 : listener.isIPv6 || isFirst)
  if (listeners.filter(listensOn(mapping)).some(isDirect)) return [{ protocol, port, address, targetPort: local }]
  if (protocol === 'tcp') {
    const forwarder = cleanup.use(await startForwarder({ host: address, port: 0 }, () => ({ host: 'localhost', port: local })))
    return [{ protocol, port, address, targetPort: forwarder.port }]
  }
  // Over IPv6 what is left out is refused, which is all that a program without it can do.
  if (!isFirst) return []
  throw new ClusterTestError('ERR_BRIDGE_NOT_LISTENING', `Command "${program}" receives datagrams for port ${local} only on loopback.`, {
    hint: 'Bind it to 0.0.0.0. Connections are forwarded to loopback, datagrams are not.',
  })
}

export function listensOn({ local, protocol }: Pick<PortMapping, 'local' | 'protocol'>): (listener: Listener) => boolean {
  return (listener) => listener.port === local && listener.protocol === protocol
}
