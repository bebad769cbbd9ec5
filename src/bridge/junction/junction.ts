import { type Socket, connect } from 'node:net'

import { ClusterTestError } from '../../support/errors.ts'
import { reset } from '../../support/reset-socket.ts'
import { createPace, holdUp } from './disturbance.ts'
import { drain } from './drain.ts'
import { createHttp1Junction } from './junction-http1.ts'
import { createHttp2Junction } from './junction-http2.ts'
import { type Listeners, listenOn } from './listen.ts'
import { type RequestHead, type RequestMatch, matchesHead, matchesText } from './match.ts'
import { recognise } from './recognise.ts'
import type { Route, Decision, JunctionParts, ProtocolJunction } from './route.ts'
import { type Source, createSource } from './source.ts'
import { splice } from './splice.ts'

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
  readonly onProblem: JunctionParts['onProblem']
}

/** Milliseconds without a word of the client after which the original is asked whether it is the one to speak first. */
const quiet = 50

/**
 * Listens in place of a port of the pods, reads HTTP/1 and HTTP/2, and sends each request to the local side that is there
 * for it, or else on to the original. Anything that is not HTTP passes to the original unchanged. It runs in the process
 * that owns all clusters: whatever fails here is the end of one connection.
 */
export async function startJunction({ workload, addresses, original, onProblem }: JunctionOptions): Promise<Junction> {
  const routes = new Map<string, Route>()
  const parts = partsOf({ workload, original, onProblem }, routes)
  const protocols = { http1: createHttp1Junction(parts), http2: createHttp2Junction(parts) }
  const sockets = new Map<Socket, ProtocolJunction | undefined>()
  const accept = async (source: Source) => {
    const { socket } = source
    const hand = (protocol: ProtocolJunction) => {
      sockets.set(socket, protocol)
      protocol.accept(source)
    }
    const kind = await recognise(source, quiet)
    if (kind === 'http1' || kind === 'http2') return hand(protocols[kind])
    if (source.isBroken) return undefined
    const { answers, copies, disturbance } = decide(routes.values(), ({ match }) => !match)
    // There is no status but that of a request.
    if ((await holdUp(disturbance, socket))?.kind === 'reset') return reset(socket)
    const other = createSource(connect({ ...(answers?.endpoint ?? (await original(socket))), allowHalfOpen: true, noDelay: true }))
    if (kind === 'silent') {
      // A protocol in which the server speaks first, or a client that takes its time.
      // It may have begun while its original was looked up.
      if (source.isEmpty) await Promise.race([other.more(), source.more()])
      if (other.isEmpty && !other.hasEnded && !source.isEmpty) {
        const late = await recognise(source, quiet)
        if ((late === 'http1' || late === 'http2') && other.isEmpty) {
          other.socket.destroy()
          return hand(protocols[late])
        }
      }
    }
    return splice(source, other, copies, createPace(disturbance))
  }

  const listeners = await listenOn(addresses, (socket) => {
    sockets.set(socket, undefined)
    socket.once('close', () => sockets.delete(socket))
    accept(createSource(socket)).catch((error: unknown) => {
      reset(socket)
      onProblem(error)
    })
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

/** Lines that one local side may add to the problems of its bridge. */
const maxProblems = 20

function partsOf(options: Pick<JunctionOptions, 'workload' | 'original' | 'onProblem'>, routes: ReadonlyMap<string, Route>): JunctionParts {
  const told = new WeakMap<Route, Set<string>>()
  return {
    ...options,
    readsBodies: () => [...routes.values()].some(({ match }) => match?.some(({ body }) => body !== undefined)),
    decide: (head, body) => decide(routes.values(), ({ match }) => !match || match.some((each) => matches(each, head, body))),
    blame(route, text) {
      const known = told.get(route) ?? new Set()
      told.set(route, known)
      if (known.has(text) || known.size >= maxProblems) return
      known.add(text)
      route.onProblem?.(new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', text))
    },
  }
}

function matches({ body: wanted, ...head }: RequestMatch, actual: RequestHead, body: string | undefined): boolean {
  return matchesHead(actual, head) && (wanted === undefined || (body !== undefined && matchesText(body, wanted)))
}

/** @param fits whether a route is for it: what is no request fits those alone that take everything */
function decide(routes: Iterable<Route>, fits: (route: Route) => boolean): Decision {
  const fitting = [...routes].filter(fits)
  const sides = fitting.filter((route) => !route.disturbance)
  return {
    answers: sides.find(({ mirror }) => !mirror),
    copies: sides.filter(({ mirror }) => mirror).map(({ endpoint }) => endpoint),
    disturbance: fitting.find(({ disturbance }) => disturbance)?.disturbance,
  }
}
