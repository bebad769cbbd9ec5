import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  connect as connectHttp2,
  constants,
  createServer,
} from 'node:http2'
import { type Socket, connect } from 'node:net'
import type { Readable } from 'node:stream'

import { messageOf } from '../../support/errors.ts'
import type { Endpoint } from '../rules/endpoint.ts'
import { peekBody } from './peek-body.ts'
import type { JunctionParts, ProtocolJunction } from './route.ts'
import { sendBody, startCopy } from './splice.ts'

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR } = constants

/** A connection of a caller, and the ones opened for it. */
interface Connection {
  readonly socket: Socket
  readonly sessions: Map<string, ClientHttp2Session>
  /** Under way; undefined before the first one. */
  streams: number | undefined
}

const settings = { enablePush: false, initialWindowSize: 1 << 20, maxHeaderListSize: 1 << 20 }

/** Reads HTTP/2 without TLS and decides for each stream, gRPC included. */
export function createHttp2Junction(parts: JunctionParts): ProtocolJunction {
  const connections = new Map<Http2Session, Connection>()
  const bySocket = new WeakMap<Socket, Connection>()
  const server = createServer({ settings, maxSendHeaderBlockLength: 1 << 20 })
  let accepting: Socket | undefined

  // Emitted while the connection is handed over; afterwards a session shows its socket by a proxy only.
  server.on('session', (session) => {
    const connection: Connection = { socket: accepting!, sessions: new Map(), streams: undefined }
    connections.set(session, connection)
    bySocket.set(accepting!, connection)
    session.on('error', () => session.destroy())
    session.once('close', () => {
      connections.delete(session)
      for (const each of connection.sessions.values()) each.destroy()
    })
  })
  server.on('stream', (stream, headers, flags) => {
    stream.on('error', () => {})
    void forward(stream, headers, flags).catch((error: unknown) => fail(stream, error))
  })

  async function forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number): Promise<void> {
    const connection = connections.get(stream.session!)!
    connection.streams = (connection.streams ?? 0) + 1
    stream.once('close', () => connection.streams!--)
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    let body: Readable = stream
    let text: string | undefined
    if (parts.readsBodies() && !endStream) ({ text, body } = await peekBody(stream))
    const head = { method: String(headers[HTTP2_HEADER_METHOD]), url: String(headers[HTTP2_HEADER_PATH] ?? ''), headers }
    const { answers, copies } = parts.decide(head, text)
    const endpoint = answers ?? (await parts.original(connection.socket))
    if (stream.destroyed) return
    let trailers: IncomingHttpHeaders = {}
    stream.once('trailers', (received) => (trailers = received))
    const open = (to: Endpoint) => {
      const sent = sessionFor(connection, to).request({ ...headers }, { endStream, waitForTrailers: !endStream })
      sent.once('wantTrailers', () => sent.sendTrailers({ ...trailers }))
      return sent
    }
    const copied = copies.map((copy) => startCopy(open(copy)))
    const sent = open(endpoint)
    giveBack(sent, stream)
    sent.on('error', (error) => fail(stream, error))
    stream.once('close', () => {
      if (stream.rstCode === NGHTTP2_NO_ERROR) return
      for (const each of [sent, ...copied]) each.close(stream.rstCode)
    })
    if (endStream) return
    sendBody(body, sent, copied, () => {
      for (const each of [sent, ...copied]) each.end()
    })
  }

  function giveBack(sent: ClientHttp2Stream, stream: ServerHttp2Stream): void {
    let trailers: IncomingHttpHeaders = {}
    sent.on('headers', (headers) => stream.additionalHeaders({ ...headers }))
    sent.once('trailers', (received) => (trailers = received))
    stream.once('wantTrailers', () => stream.sendTrailers({ ...trailers }))
    sent.once('response', (headers, flags) => {
      const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
      if (stream.destroyed || stream.headersSent) return
      stream.respond({ ...headers }, { endStream, waitForTrailers: !endStream })
      if (!endStream) sent.pipe(stream)
    })
    sent.once('close', () => {
      if (sent.rstCode !== NGHTTP2_NO_ERROR && !stream.closed) stream.close(sent.rstCode)
    })
  }

  function fail(stream: ServerHttp2Stream, error: unknown): void {
    if (stream.destroyed || stream.closed) return
    if (stream.headersSent) return stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    stream.respond({ ':status': 502, 'content-type': 'text/plain' })
    stream.end(`The bridge of "${parts.workload}" cannot reach the other end: ${messageOf(error)}\n`)
  }

  function sessionFor({ sessions }: Connection, { host, port }: Endpoint): ClientHttp2Session {
    const key = `${host}:${port}`
    const known = sessions.get(key)
    if (known && !known.closed && !known.destroyed) return known
    const session = connectHttp2(`http://${key}`, { settings, createConnection: () => connect({ host, port, noDelay: true }) })
    // Its streams fail with it, and say so.
    session.on('error', () => session.destroy())
    session.once('goaway', () => sessions.delete(key))
    sessions.set(key, session)
    return session
  }

  return {
    accept(socket) {
      accepting = socket
      server.emit('connection', socket)
    },
    isBusy: (socket) => bySocket.get(socket)?.streams !== 0,
    [Symbol.dispose]: () => void server.close(),
  }
}
