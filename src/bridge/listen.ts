import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'

import { ClusterTestError, messageOf } from '../support/errors.ts'

export interface Listeners {
  /** One for each address. */
  readonly all: readonly { readonly address: string; readonly port: number }[]
  /** Resolves when all connections have ended. */
  close(): Promise<unknown>
}

/**
 * Listens on any port of each address.
 * @throws ClusterTestError `ERR_BRIDGE_HOST_UNREACHABLE`
 */
export async function listenOn(addresses: readonly string[], accept: (socket: Socket) => void): Promise<Listeners> {
  const servers: Server[] = []
  const close = () => Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  try {
    for (const address of addresses) servers.push(await listen(address, accept))
  } catch (error) {
    await close()
    throw error
  }
  return { all: servers.map((server, index) => ({ address: addresses[index]!, port: (server.address() as AddressInfo).port })), close }
}

async function listen(address: string, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept)
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve))
    return server
  } catch (error) {
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_UNREACHABLE',
      `This process cannot listen on ${address}, the gateway of the cluster's network: ${messageOf(error)}.`,
      {
        cause: error,
        hint: 'Where Docker runs in a virtual machine or on another host, bridge to a local container: image or build.',
      },
    )
  }
}
