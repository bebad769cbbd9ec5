import { Agent, type IncomingMessage, type ServerResponse, createServer, request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

import { messageOf } from '../../support/errors.ts'
import type { Endpoint } from '../rules/endpoint.ts'
import { peekBody } from './peek-body.ts'
import type { JunctionParts, ProtocolJunction } from './route.ts'
import { dial, sendBody, splice, startCopy } from './splice.ts'

/** A connection of a caller, and the ones opened for it: one for each side, so that what callers see of keep-alive is what they would see without a bridge. */
interface Connection {
  readonly sides: Map<string, Side>
  /** The one that had the last request. */
  last: Side | undefined
  readonly sockets: Set<Socket>
  /** Under way; undefined before the first one. */
  requests: number | undefined
}

/** What one caller's connection has open to one side. */
interface Side {
  readonly agent: Agent
  /** When it had a request, as performance.now() tells. */
  usedAt: number
}

/** Milliseconds after which a connection to a side that was not the last one is not used again: it may be about to close it. */
const freshness = 1_000

const maxHeaderSize = 1 << 20

/** Reads HTTP/1 and decides for each request. Heads and bodies pass as they are, without a buffer. */
export function createHttp1Junction(parts: JunctionParts): ProtocolJunction {
  const connections = new Map<Socket, Connection>()
  const server = createServer({
    // No limits but those of the two ends.
    requestTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: 0,
    maxHeaderSize,
    // RFC 9113 has given h2c by upgrade up, and it would hide all later requests of the connection.
    shouldUpgradeCallback: ({ headers }) => !/\bh2c\b/i.test(headers.upgrade ?? ''),
  })
  Object.assign(server, { httpAllowHalfOpen: true })
  const answer = (request: IncomingMessage, response: ServerResponse, waitsForContinue = false) =>
    void forward(request, response, waitsForContinue).catch((error: unknown) => fail(request, response, error))
  server.on('request', (request, response) => answer(request, response))
  server.on('checkContinue', (request, response) => answer(request, response, true))
  server.on('checkExpectation', (request, response) => answer(request, response))
  server.on('upgrade', (request, socket, head) => void upgrade(request, socket as Socket, head))
  server.on('clientError', (_, socket) => socket.destroy())

  async function forward(request: IncomingMessage, response: ServerResponse, waitsForContinue: boolean): Promise<void> {
    const { socket } = request
    const connection = connections.get(socket)!
    connection.requests = (connection.requests ?? 0) + 1
    response.once('close', () => connection.requests!--)
    let body: Readable = request
    let text: string | undefined
    const readsBody = parts.readsBodies() && hasBody(request)
    // Nobody else can be asked before the body is there.
    const hasContinued = readsBody && waitsForContinue
    if (hasContinued) response.writeContinue()
    if (readsBody) ({ text, body } = await peekBody(request))
    const { answers, copies } = parts.decide(headOf(request), text)
    const endpoint = answers ?? (await parts.original(socket))
    const options = { method: request.method, path: request.url, headers: headersToSend(request), setHost: false, maxHeaderSize }
    const copied = copies.map((copy) => {
      const sent = startCopy(httpRequest({ ...copy, ...options, agent: false }))
      sent.on('response', (ignored) => ignored.on('error', () => {}).resume())
      return sent
    })
    const side = sideFor(connection, endpoint)
    const sent = httpRequest({ ...endpoint, ...options, agent: side.agent })
    sent.flushHeaders()
    // When the other end closes, so does the caller's connection, unless an answer is under way or the last one was another's.
    sent.once('socket', (own) => {
      if (sent.reusedSocket) return
      connection.sockets.add(own)
      own.once('close', () => {
        connection.sockets.delete(own)
        if (connection.requests === 0 && connection.last === side) socket.destroySoon()
      })
    })
    sent.on('error', (error) => {
      // As the caller would see it without a bridge, when the other end had closed a connection that was open.
      if (sent.reusedSocket && !response.headersSent) socket.destroy()
      else fail(request, response, error, answers)
    })
    sent.on('continue', () => hasContinued || response.writeContinue())
    sent.on('response', (received) => {
      response.sendDate = false
      response.writeHead(received.statusCode!, received.statusMessage, headersToReturn(received))
      response.flushHeaders()
      received.on('error', () => response.destroy())
      received.on('data', (chunk: Buffer) => {
        if (response.write(chunk)) return
        received.pause()
        response.once('drain', () => received.resume())
      })
      received.once('end', () => {
        response.addTrailers(pairsOf(received.rawTrailers))
        response.end()
      })
    })
    response.once('close', () => {
      side.usedAt = performance.now()
      if (response.writableFinished) return
      for (const each of [sent, ...copied]) each.destroy()
    })
    body.on('error', () => sent.destroy())
    sendBody(body, sent, copied, () => {
      for (const each of [sent, ...copied]) {
        if (request.rawTrailers.length > 0) each.addTrailers(pairsOf(request.rawTrailers))
        each.end()
      }
    })
  }

  async function upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { answers, copies } = parts.decide(headOf(request))
    const other = await dial(async () => answers ?? parts.original(socket))
    if (!other) return void socket.destroy()
    const start = `${request.method} ${request.url} HTTP/${request.httpVersion}`
    const lines = pairsOf(request.rawHeaders).map(([name, value]) => `${name}: ${value}`)
    socket.unshift(Buffer.concat([Buffer.from(`${[start, ...lines].join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    splice(socket, other, copies)
  }

  function fail(request: IncomingMessage, response: ServerResponse, error: unknown, answers?: Endpoint): void {
    if (response.headersSent || response.destroyed || (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
      request.socket.destroy()
      return
    }
    const side = answers ? 'local side' : 'original'
    response.writeHead(502, { 'content-type': 'text/plain', connection: 'close' })
    response.end(`The bridge of "${parts.workload}" cannot reach the ${side}: ${messageOf(error)}\n`)
  }

  return {
    accept(socket) {
      const connection: Connection = { sides: new Map(), last: undefined, sockets: new Set(), requests: undefined }
      connections.set(socket, connection)
      socket.once('end', () => {
        // Whether a caller that has ended its side still gets an answer is for the other end to decide.
        for (const own of connection.sockets) own.end()
        if (connection.sockets.size === 0) socket.end()
      })
      socket.once('close', () => {
        connections.delete(socket)
        for (const { agent } of connection.sides.values()) agent.destroy()
      })
      server.emit('connection', socket)
    },
    // A connection that was just opened is to send its first request still.
    isBusy: (socket) => connections.get(socket)?.requests !== 0,
    [Symbol.dispose]: () => void server.close(),
  }
}

function sideFor(connection: Connection, { host, port }: Endpoint): Side {
  const key = `${host}:${port}`
  const known = connection.sides.get(key)
  const now = performance.now()
  // A caller knows how long the last one lets a connection wait, but not that there are others.
  const isStale = known && known !== connection.last && now - known.usedAt > freshness
  if (isStale) known.agent.destroy()
  const side = known && !isStale ? known : { agent: new Agent({ keepAlive: true, maxSockets: 1 }), usedAt: now }
  connection.sides.set(key, side)
  connection.last = side
  return side
}

function headOf({ method = '', url = '', headers }: IncomingMessage) {
  return { method, url, headers }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** As they came, in order and in their case. */
function headersToSend(request: IncomingMessage): readonly string[] {
  const { rawHeaders, headers, method = '' } = request
  const isUpgrade = headers.upgrade !== undefined
  const kept = pairsOf(rawHeaders).filter(([name]) => !(isUpgrade && /^(?:upgrade|http2-settings|connection)$/i.test(name)))
  // Where nothing tells of a body Node.js would send an empty chunked one.
  const tellsOrNeedsNone = hasBody(request) || headers['content-length'] !== undefined || /^(?:GET|HEAD|DELETE|OPTIONS|TRACE)$/.test(method)
  // HTTP/1.0 may do without.
  const host = headers.host === undefined ? ['Host', ''] : []
  return [...host, ...kept.flat(), ...(tellsOrNeedsNone ? [] : ['Content-Length', '0'])]
}

/** Chunks are of one connection: a caller of HTTP/1.0 does not know them. */
function headersToReturn({ rawHeaders }: IncomingMessage): string[] {
  return pairsOf(rawHeaders)
    .filter(([name]) => name.toLowerCase() !== 'transfer-encoding')
    .flat()
}

function pairsOf(raw: readonly string[]): readonly [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[index * 2]!, raw[index * 2 + 1]!])
}
