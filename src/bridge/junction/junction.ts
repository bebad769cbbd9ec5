import { once } from 'node:events'
import type { Socket } from 'node:net'

import { drain } from './drain.ts'
import { createHttp1Junction } from './junction-http1.ts'
import { createHttp2Junction } from './junction-http2.ts'
import { type Listeners, listenOn } from './listen.ts'
import { type RequestHead, type RequestMatch, matchesHead, matchesText } from './match.ts'
import { recognise } from './recognise.ts'
import type { Route, Decision, JunctionParts, ProtocolJunction } from './route.ts'
import { dial, splice } from './splice.ts'

export interface Junction extends AsyncDisposable {
  readonly listeners: Listeners['all']
  readonly routes: ReadonlyMap<string, Route>
  /** From the next request on, also on connections that are open. */
  add(route: Route): void
  remove(id: string): void
}

export interface JunctionOptions {
  readonly workload: string
  /** To listen on. */
  readonly addresses: readonly string[]
  readonly original: JunctionParts['original']
}

/** Milliseconds without a word of the client after which the original is asked whether it is the one to speak first. */
const quiet = 50

/**
 * Listens in place of a port of the pods, reads HTTP/1 and HTTP/2, and sends each request to the local side that is there
 * for it, or else on to the original. Anything that is not HTTP passes to the original unchanged.
 */
export async function startJunction({ workload, addresses, original }: JunctionOptions): Promise<Junction> {
  const routes = new Map<string, Route>()
  const parts: JunctionParts = {
    workload,
    original,
    readsBodies: () => [...routes.values()].some(({ match }) => match?.some(({ body }) => body !== undefined)),
    decide(head, body) {
      const fitting = [...routes.values()].filter(({ match }) => !match || match.some((each) => matches(each, head, body)))
      return {
        answers: fitting.find(({ mirror }) => !mirror)?.endpoint,
        copies: fitting.filter(({ mirror }) => mirror).map(({ endpoint }) => endpoint),
      }
    },
  }
  const protocols = { http1: createHttp1Junction(parts), http2: createHttp2Junction(parts) }
  const sockets = new Map<Socket, ProtocolJunction | undefined>()
  const accept = async (socket: Socket) => {
    const kind = await recognise(socket, quiet)
    if (kind === 'http1' || kind === 'http2') {
      sockets.set(socket, protocols[kind])
      return protocols[kind].accept(socket)
    }
    if (socket.destroyed) return undefined
    const { answers, copies } = decideRaw(routes.values())
    const other = await dial(answers ? async () => answers : () => original(socket))
    if (!other) return socket.destroy()
    if (kind === 'silent') {
      // A protocol in which the server speaks first, or a client that takes its time.
      await Promise.race([once(other, 'readable'), once(socket, 'readable'), once(other, 'close')])
      if (other.readableLength === 0 && !other.destroyed && !socket.destroyed && socket.readableLength > 0) {
        const late = await recognise(socket, quiet)
        if (late === 'http1' || late === 'http2') {
          other.destroy()
          sockets.set(socket, protocols[late])
          return protocols[late].accept(socket)
        }
      }
    }
    return splice(socket, other, copies)
  }

  const listeners = await listenOn(addresses, (socket) => {
    sockets.set(socket, undefined)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    void accept(socket)
  })
  return {
    listeners: listeners.all,
    routes,
    add: (route) => void routes.set(route.id, route),
    remove: (id) => void routes.delete(id),
    async [Symbol.asyncDispose]() {
      await listeners.close()
      await drain(sockets, (socket) => sockets.get(socket)?.isBusy(socket) ?? true)
      for (const protocol of Object.values(protocols)) protocol[Symbol.dispose]()
    },
  }
}

function matches({ body: wanted, ...head }: RequestMatch, actual: RequestHead, body: string | undefined): boolean {
  return matchesHead(actual, head) && (wanted === undefined || (body !== undefined && matchesText(body, wanted)))
}

/** What is no request fits those alone that take everything. */
function decideRaw(routes: Iterable<Route>): Decision {
  const all = [...routes].filter(({ match }) => !match)
  return {
    answers: all.find(({ mirror }) => !mirror)?.endpoint,
    copies: all.filter(({ mirror }) => mirror).map(({ endpoint }) => endpoint),
  }
}
