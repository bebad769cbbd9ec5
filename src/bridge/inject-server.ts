import { type IncomingMessage, type ServerResponse, createServer as createHttpServer } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import type { LocalServer, ReceivedRequest } from './options.ts'

export interface InjectedServer extends AsyncDisposable {
  /** Where it listens, for each of the addresses. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[]
}

/** Milliseconds that answers under way get to finish when a bridge ends. */
const grace = 1_000

/** Milliseconds from a connection to its first request that a bridge waits for when it ends. */
const patienceForFirst = 300

/**
 * Listens on each address and hands every connection to the user's server, which need not listen itself: Node.js' servers
 * take connections that others accepted through their event `connection`. No port of the user's is taken, and TLS,
 * HTTP/2 and raw protocols work as they do there.
 */
export async function injectServer(
  local: LocalServer,
  addresses: readonly string[],
  onRequest: (request: ReceivedRequest) => void,
): Promise<InjectedServer> {
  const server = typeof local === 'function' ? createHttpServer(local) : local
  const observed = observeRequests(server, onRequest)

  const sockets = new Map<Socket, number>()
  const accept = (socket: Socket) => {
    sockets.set(socket, performance.now())
    socket.once('close', () => sockets.delete(socket))
    server.emit('connection', socket)
    // The user's server may not have a listener of its own for it.
    if (socket.listenerCount('error') === 0) socket.on('error', () => socket.destroy())
  }
  const listeners: Server[] = []
  const close = () => Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))))
  try {
    for (const address of addresses) listeners.push(await listen(address, accept))
  } catch (error) {
    observed[Symbol.dispose]()
    await close()
    throw error
  }
  return {
    listeners: listeners.map((listener, index) => ({ address: addresses[index]!, port: (listener.address() as AddressInfo).port })),
    async [Symbol.asyncDispose]() {
      const patience = AbortSignal.timeout(grace)
      // New connections go to the pods by now. Those on their way here have still to be accepted, and to send their request.
      await sleep(10)
      const closed = close()
      const isWaiting = (socket: Socket) => observed.underWay(socket) ?? performance.now() - sockets.get(socket)! < patienceForFirst
      // Answers under way are finished; connections that wait for a next request are closed, so that it goes to the pods.
      while (!patience.aborted && sockets.size > 0) {
        for (const socket of sockets.keys()) if (!isWaiting(socket)) socket.destroy()
        await sleep(5)
      }
      for (const socket of sockets.keys()) socket.destroy()
      observed[Symbol.dispose]()
      await closed
    },
  }
}

async function listen(address: string, accept: (socket: Socket) => void): Promise<Server> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, accept)
  try {
    await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(0, address, resolve))
    return listener
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

interface ObservedRequests extends Disposable {
  /** Whether an answer is under way on a connection; undefined before its first request. */
  underWay(socket: Socket): boolean | undefined
}

function observeRequests(server: Server, onRequest: (request: ReceivedRequest) => void): ObservedRequests {
  // A listener for `request` would change how a server for HTTP/2 answers, see "compatibility API" in Node.js' documentation.
  return 'updateSettings' in server ? observeStreams(server, onRequest) : observeMessages(server, onRequest)
}

function observeMessages(server: Server, onRequest: (request: ReceivedRequest) => void): ObservedRequests {
  const counts = new WeakMap<Socket, number>()
  const observe = ({ method = '', url = '', headers, socket }: IncomingMessage, response: ServerResponse) => {
    onRequest({ method, url, headers: { ...headers } })
    counts.set(socket, (counts.get(socket) ?? 0) + 1)
    response.once('close', () => counts.set(socket, counts.get(socket)! - 1))
  }
  server.prependListener('request', observe)
  return {
    underWay(socket) {
      const count = counts.get(socket)
      return count === undefined ? undefined : count > 0
    },
    [Symbol.dispose]: () => void server.off('request', observe),
  }
}

/** HTTP/2 does not say on which connection a stream is. */
function observeStreams(server: Server, onRequest: (request: ReceivedRequest) => void): ObservedRequests {
  let open = 0
  const observe = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    onRequest({ method: headers[':method'] ?? '', url: headers[':path'] ?? '', headers: { ...headers } })
    open++
    stream.once('close', () => open--)
  }
  server.prependListener('stream', observe)
  return { underWay: () => open > 0 || undefined, [Symbol.dispose]: () => void server.off('stream', observe) }
}
