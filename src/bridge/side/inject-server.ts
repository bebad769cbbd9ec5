import { Server as HttpServer, type IncomingMessage, type ServerResponse, createServer as createHttpServer } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Server, Socket } from 'node:net'

import { drain } from '../junction/drain.ts'
import { type Listeners, listenOn } from '../junction/listen.ts'
import type { ReceivedRequest, TcpServer } from '../options.ts'

export interface InjectedServer extends AsyncDisposable {
  readonly listeners: Listeners['all']
}

/** Milliseconds: a connection that is younger when a bridge ends is about to bring its first request, and is not closed before. */
const youth = 1_000

/** Milliseconds from a connection to its first request where requests cannot be told. */
const patience = 300

/**
 * Listens on each address and hands every connection to the user's server, which need not listen itself: Node.js' servers
 * take connections that others accepted through their event `connection`. No port of the user's is taken, and TLS,
 * HTTP/2 and raw protocols work as they do there.
 */
export async function injectServer(
  local: TcpServer,
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
  const listeners = await listenOn(addresses, accept).catch((error: unknown) => {
    observed[Symbol.dispose]()
    throw error
  })
  return {
    listeners: listeners.all,
    async [Symbol.asyncDispose]() {
      // New connections go to the pods by now.
      await listeners.close()
      // Connections that wait for a next request are closed, so that it goes to the pods.
      const ended = performance.now()
      await drain(sockets, (socket) => observed.isBusy(socket, sockets.get(socket)!, ended))
      observed[Symbol.dispose]()
    },
  }
}

interface ObservedRequests extends Disposable {
  /**
   * Whether an answer is under way on a connection, or its first request is to be expected.
   * @param came when it came, and `ended` when the bridge ended, as performance.now() counts
   */
  isBusy(socket: Socket, came: number, ended: number): boolean
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
    isBusy(socket, came, ended) {
      const count = counts.get(socket)
      if (count !== undefined) return count > 0
      return server instanceof HttpServer ? ended - came < youth : isNew(came)
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
  return { isBusy: (_, came) => open > 0 || isNew(came), [Symbol.dispose]: () => void server.off('stream', observe) }
}

function isNew(came: number): boolean {
  return performance.now() - came < patience
}
