import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import type { LocalServer, ReceivedRequest } from './options.ts'

export interface InjectedServer extends AsyncDisposable {
  readonly port: number
}

/**
 * Listens on one address and hands every connection to the user's server, which need not listen itself: Node.js' servers
 * take connections that others accepted through their event `connection`. No port of the user's is taken, and TLS,
 * HTTP/2 and raw protocols work as they do there.
 */
export async function injectServer(
  local: LocalServer,
  address: string,
  onRequest: (request: ReceivedRequest) => void,
): Promise<InjectedServer> {
  const server = typeof local === 'function' ? createHttpServer(local as never) : (local as Server)
  const observe = ({ method = '', url = '', headers }: { method?: string; url?: string; headers: ReceivedRequest['headers'] }) =>
    onRequest({ method, url, headers: { ...headers } })
  server.prependListener('request', observe)

  const sockets = new Set<Socket>()
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    server.emit('connection', socket)
    // The user's server may not have a listener of its own for it.
    if (socket.listenerCount('error') === 0) socket.on('error', () => socket.destroy())
  })
  try {
    await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(0, address, resolve))
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
  return {
    port: (listener.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.off('request', observe)
      const closed = new Promise((resolve) => listener.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
