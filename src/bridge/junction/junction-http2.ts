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
import { type Readable, Transform } from 'node:stream'

import type { Endpoint } from '../rules/endpoint.ts'
import { type Disturbance, createPace, holdUp } from './disturbance.ts'
import { peekBody } from './peek-body.ts'
import { type JunctionParts, type ProtocolJunction, type Route, cannotReach } from './route.ts'
import { sendBody, startCopy } from './splice.ts'

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, NGHTTP2_FLAG_END_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants

/** A connection of a caller, and the ones opened for it. */
interface Connection {
  readonly socket: Socket
  readonly sessions: Map<string, ClientHttp2Session>
  /** Under way; undefined before the first one. */
  streams: number | undefined
}

/** The highest that nghttp2 takes. */
const unlimited = 2 ** 32 - 1
const settings = { enablePush: false, initialWindowSize: 1 << 20, maxHeaderListSize: unlimited }

/**
 * No limits but those of the two ends: Node.js' own would refuse streams because of what others have waiting. Besides, a client session
 * of Node.js 24.21 that refuses header fields of an answer may abort the process (`~Http2Session`, "current_nghttp2_memory_ == 0"): when it
 * is collected before the stream, which still holds the fields that came before.
 */
const limits = {
  maxSessionMemory: 1 << 12,
  maxSendHeaderBlockLength: unlimited,
  maxHeaderListPairs: unlimited,
  strictSingleValueFields: false,
  streamResetBurst: 1 << 20,
  streamResetRate: 1 << 20,
}

/** Reads HTTP/2 without TLS and decides for each stream, gRPC included. Headers pass in order, repeated ones and all bytes included. */
export function createHttp2Junction(parts: JunctionParts): ProtocolJunction {
  const connections = new Map<Http2Session, Connection>()
  const bySocket = new WeakMap<Socket, Connection>()
  const server = createServer({ settings, ...limits })
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
  server.on('stream', (stream, headers, flags, raw) => {
    stream.on('error', () => {})
    forward(stream, { headers, raw, endStream: isEnd(flags) }).catch((error: unknown) => fail(stream, undefined, error))
  })

  async function forward(stream: ServerHttp2Stream, { headers, raw, endStream }: StreamHead): Promise<void> {
    const connection = connections.get(stream.session!)!
    connection.streams = (connection.streams ?? 0) + 1
    stream.once('close', () => connection.streams!--)
    let trailers: IncomingHttpHeaders = {}
    stream.once('trailers', (received) => (trailers = received))
    let body: Readable = stream
    let text: string | undefined
    if (parts.readsBodies() && !endStream) ({ text, body } = await peekBody(stream))
    const head = { method: String(headers[HTTP2_HEADER_METHOD]), url: String(headers[HTTP2_HEADER_PATH] ?? ''), headers }
    const { answers, copies, disturbance } = parts.decide(head, text)
    const instead = await holdUp(disturbance, stream)
    if (stream.destroyed) return
    if (instead?.kind === 'reset') return stream.close(NGHTTP2_INTERNAL_ERROR)
    if (instead) return stream.respond({ ':status': instead.status }, { endStream: true })
    const endpoint = answers?.endpoint ?? (await parts.original(connection.socket))
    if (stream.destroyed) return
    const open = (to: Endpoint) => {
      const sent = sessionFor(connection, to).request(raw, { endStream, waitForTrailers: !endStream })
      const guard = guardOf((error) => sent.destroy(error))
      sent.once(
        'wantTrailers',
        guard(() => sent.sendTrailers({ ...trailers })),
      )
      return sent
    }
    const copied = copies.map((copy) => startCopy(open(copy)))
    const sent = open(endpoint)
    giveBack(sent, stream, answers, disturbance)
    // A stream that its side has reset is reset for the caller, below.
    sent.on('error', (error: NodeJS.ErrnoException) => error.code === 'ERR_HTTP2_STREAM_ERROR' || fail(stream, answers, error))
    stream.once('close', () => {
      if (stream.rstCode === NGHTTP2_NO_ERROR) return
      for (const each of [sent, ...copied]) each.close(stream.rstCode)
    })
    if (endStream) return
    sendBody(body, sent, copied, () => {
      for (const each of [sent, ...copied]) each.end()
    })
  }

  function giveBack(
    sent: ClientHttp2Stream,
    stream: ServerHttp2Stream,
    answers: Route | undefined,
    disturbance: Disturbance | undefined,
  ): void {
    let trailers: IncomingHttpHeaders = {}
    // What Node.js does not write is no reason for more than the end of this stream.
    const guard = guardOf((error) => {
      sent.close(constants.NGHTTP2_CANCEL)
      fail(stream, answers, error)
    })
    const isOver = () => stream.destroyed || stream.closed
    sent.on(
      'headers',
      guard((headers: IncomingHttpHeaders) => isOver() || stream.headersSent || stream.additionalHeaders({ ...headers })),
    )
    sent.once('trailers', (received) => (trailers = received))
    stream.once(
      'wantTrailers',
      guard(() => isOver() || stream.sendTrailers({ ...trailers })),
    )
    sent.once(
      'response',
      guard((_: IncomingHttpHeaders, flags: number, raw: string[]) => {
        if (isOver() || stream.headersSent) return
        const endStream = isEnd(flags)
        // The type lacks `sendDate`, without which Node.js adds a header.
        const options = { endStream, waitForTrailers: !endStream, sendDate: false }
        stream.respond(raw, options)
        if (endStream) return
        const body = disturbance ? sent.pipe(paced(disturbance, () => stream.close(NGHTTP2_INTERNAL_ERROR))) : sent
        body.pipe(stream, { end: false })
        // What was cancelled ends as well, and is not complete.
        body.once('end', () => sent.rstCode === NGHTTP2_NO_ERROR && stream.end())
      }),
    )
    sent.once('close', () => {
      // Node.js ends what answers HEAD before it has begun.
      const isComplete = stream.headersSent && stream.writableEnded
      if (sent.rstCode !== NGHTTP2_NO_ERROR && !stream.closed && !isComplete) stream.close(sent.rstCode)
    })
  }

  function fail(stream: ServerHttp2Stream, answers: Route | undefined, error: unknown): void {
    if (stream.destroyed || stream.closed) return undefined
    const text = cannotReach(parts, answers, error)
    if (answers) parts.blame(answers, text)
    if (stream.headersSent) return stream.close(NGHTTP2_INTERNAL_ERROR)
    try {
      stream.respond({ ':status': 502, 'content-type': 'text/plain' })
      stream.end(`${text}\n`)
    } catch (thrown) {
      stream.close(NGHTTP2_INTERNAL_ERROR)
      parts.onProblem(thrown)
    }
  }

  function sessionFor({ sessions }: Connection, { host, port }: Endpoint): ClientHttp2Session {
    const key = `${host}:${port}`
    const known = sessions.get(key)
    if (known && !known.closed && !known.destroyed) return known
    const session = connectHttp2(`http://${key}`, {
      settings,
      ...limits,
      createConnection: () => connect({ host, port, noDelay: true }),
    })
    // Its streams fail with it, and say so.
    session.on('error', () => session.destroy())
    session.once('goaway', () => sessions.delete(key))
    sessions.set(key, session)
    return session
  }

  return {
    accept(source) {
      accepting = source.release()
      server.emit('connection', accepting)
    },
    isBusy: (socket) => bySocket.get(socket)?.streams !== 0,
    [Symbol.dispose]: () => void server.close(),
  }
}

interface StreamHead {
  readonly headers: IncomingHttpHeaders
  /** Names and values in turn, as they came. */
  readonly raw: string[]
  /** Whether no body follows. */
  readonly endStream: boolean
}

/** A body at the pace of a disturbance. `onBreak` is called where it is to break off. */
function paced(disturbance: Disturbance, onBreak: () => void): Transform {
  const pace = createPace(disturbance)
  return new Transform({
    async transform(chunk: Buffer, _, done) {
      const goesOn = await pace(chunk, async (bytes) => void this.push(bytes))
      if (goesOn) done()
      else onBreak()
    },
  })
}

function isEnd(flags: number): boolean {
  return (flags & NGHTTP2_FLAG_END_STREAM) !== 0
}

/** An error in a listener would be nobody's, and the end of the process. */
function guardOf(onError: (error: Error) => void) {
  return <Args extends unknown[]>(action: (...args: Args) => unknown) =>
    (...args: Args): void => {
      try {
        action(...args)
      } catch (error) {
        onError(error as Error)
      }
    }
}
