import type { LocalServer } from '../bridge/options.ts'
import type { OpenBridge } from '../bridge/requests.ts'
import { type ContainerPort, type PortMapping, type Protocol, findPort } from '../bridge/rules/ports.ts'
import type { Forward } from '../bridge/rules/rules.ts'
import { injectServer } from '../bridge/side/inject-server.ts'
import { injectSocket, isSocket } from '../bridge/side/inject-socket.ts'
import { ClusterTestError } from '../support/errors.ts'

/** The owner of the cluster knows the ports by the keys alone; where each leads is decided here, once the servers listen. */
export function serverPorts(server: LocalServer | Readonly<Record<string, LocalServer>>): Readonly<Record<string, number>> | undefined {
  return isServer(server) ? undefined : Object.fromEntries(Object.entries(server).map(([key, local]) => [keyOf(key, local), 0]))
}

export async function startServers(
  server: LocalServer | Readonly<Record<string, LocalServer>>,
  { ports, listenOn }: OpenBridge,
  workload: string,
  onRequest: Parameters<typeof injectServer>[2],
  cleanup: AsyncDisposableStack,
): Promise<readonly Forward[]> {
  const pairs = isServer(server)
    ? [{ mapping: onlyPort(ports, isSocket(server) ? 'udp' : 'tcp', workload), local: server }]
    : Object.entries(server).map(([key, local]) => ({ mapping: findPort(ports, keyOf(key, local), workload), local }))
  for (const { mapping, local } of pairs) checkProtocol(mapping, local, workload)
  const forwards: Forward[] = []
  for (const { mapping, local } of pairs) {
    const { port, protocol } = mapping
    if (isSocket(local)) {
      const address = listenOn[0]!
      const { port: targetPort } = cleanup.use(await injectSocket(local, address))
      forwards.push({ protocol, port, address, targetPort })
    } else {
      const { listeners } = cleanup.use(await injectServer(local, listenOn, onRequest))
      for (const { address, port: targetPort } of listeners) forwards.push({ protocol, port, address, targetPort })
    }
  }
  return forwards
}

function isServer(server: LocalServer | Readonly<Record<string, LocalServer>>): server is LocalServer {
  return typeof server === 'function' || typeof (server as { emit?: unknown }).emit === 'function'
}

/** A number alone is a TCP port, unless a UDP socket is for it. */
function keyOf(key: string, local: LocalServer): string {
  return isSocket(local) && /^\d+$/.test(key) ? `${key}/udp` : key
}

function checkProtocol({ name, port, protocol }: ContainerPort, local: LocalServer, workload: string): void {
  if (isSocket(local) === (protocol === 'udp')) return
  throw new ClusterTestError(
    'ERR_BRIDGE_PORT_NOT_FOUND',
    `Port ${name ? `"${name}" (${port})` : port} of "${workload}" is ${protocol.toUpperCase()}, and the server for it takes ${isSocket(local) ? 'datagrams' : 'connections'}.`,
    { hint: protocol === 'udp' ? 'Give it a socket: dgram.createSocket("udp4").' : 'Give it a server of http, net or tls.' },
  )
}

function onlyPort(all: readonly PortMapping[], wanted: Protocol, workload: string): PortMapping {
  const ports = all.filter(({ protocol }) => protocol === wanted)
  const found = ports.length === 1 ? ports[0] : ports.find(({ name }) => name === 'http')
  if (found) return found
  const names = ports.map(({ name, port }) => name || port).join(', ')
  throw new ClusterTestError(
    'ERR_BRIDGE_PORT_NOT_FOUND',
    `"${workload}" has the ${wanted.toUpperCase()} ports ${names || 'none'}, and nothing says which one the server is for.`,
    {
      hint: `Write server: { ${ports[0]?.name || ports[0]?.port || 8080}: server }.`,
    },
  )
}
