import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { type Socket, type Server as TcpServer, createServer as createTcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { type Random, createRandom } from './random.ts'

/** What a server has seen of a request. */
export type Log = string[]

/** In the log when a server resets a connection on purpose. */
export const wordOfReset = 'reset by the server'

/** A plain server of Node.js that answers each path in its own way, and always the same. */
export function createPlainServer(log: Log): Server {
  const server = createServer({ keepAliveTimeout: 60_000, shouldUpgradeCallback: ({ headers }) => headers.upgrade === 'echo' })
  const answer = (request: IncomingMessage, response: ServerResponse) =>
    void respond(request, response, log).catch((error: unknown) => log.push(`server: ${String(error)}`))
  server.on('request', answer)
  server.on('checkContinue', (request, response) => {
    if (randomOf(request).once(3)) response.writeContinue()
    answer(request, response)
  })
  server.on('upgrade', (request, socket, head) => {
    log.push(describe(request, ''))
    socket.on('error', () => {})
    if (randomOf(request).once(3)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
      return
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello')
    socket.write(head)
    socket.pipe(socket)
  })
  return server
}

function randomOf({ url = '' }: IncomingMessage): Random {
  return createRandom(Number(/\d+/.exec(url)?.[0] ?? 0))
}

function describe({ method, url, httpVersion, rawHeaders, rawTrailers }: IncomingMessage, body: string): string {
  return JSON.stringify([method, url, httpVersion, rawHeaders, body, rawTrailers])
}

async function respond(request: IncomingMessage, response: ServerResponse, log: Log): Promise<void> {
  const random = randomOf(request)
  let isBroken = false
  request.on('error', () => (isBroken = true))
  const read = request.toArray().then((chunks) => {
    const body = Buffer.concat(chunks as Buffer[])
    return `${body.length} ${body.toString('latin1', 0, 10)}`
  })
  const isEarly = random.once(8)
  const body = isEarly ? '' : await read.catch(() => 'broken')
  void read.catch(() => {})
  if (!isEarly && !isBroken) log.push(describe(request, body))
  if (response.destroyed) return
  response.sendDate = false
  if (random.once(6)) response.writeEarlyHints({ link: '</a.css>; rel=preload' })
  if (random.once(12)) response.writeProcessing()
  if (random.once(10)) await sleep(random.below(5))
  const status = random.pick([200, 200, 200, 201, 204, 205, 304, 404, 500, 599])
  const headers = ['X-One', '1', 'x-one', '2', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Name', 'Jörg', 'Content-Type', 'text/plain']
  if (random.once(10)) headers.push('X-Long', 'z'.repeat(random.below(30_000)))
  const pieces = Array.from({ length: random.below(4) }, () => 'answer\r\n\r\n'.repeat(random.pick([1, 10, 5_000])))
  const isFixed = random.once(2)
  if (isFixed) headers.push('Content-Length', String(pieces.join('').length))
  const hasTrailers = !isFixed && random.once(3) && ![204, 304].includes(status) && request.method !== 'HEAD'
  if (hasTrailers && request.httpVersion === '1.1') headers.push('Trailer', 'X-End')
  if (random.once(15)) headers.push('Connection', 'close')
  response.writeHead(status, random.pick(['OK', 'Schön', 'Very Odd Reason', '']), headers)
  const breaksAt = random.once(20) ? random.below(pieces.length + 1) : -1
  for (const [index, piece] of pieces.entries()) {
    if (index === breaksAt) return breakOff(response, random, log)
    if (!response.write(piece)) await Promise.race([new Promise((resolve) => response.once('drain', resolve)), closed(response)])
    if (random.once(4)) await sleep(random.below(3))
  }
  if (breaksAt === pieces.length) return breakOff(response, random, log)
  if (hasTrailers && request.httpVersion === '1.1') response.addTrailers({ 'X-End': 'Jörg' })
  response.end()
}

function closed(response: ServerResponse): Promise<unknown> {
  return new Promise((resolve) => response.once('close', resolve))
}

async function breakOff({ socket }: ServerResponse, random: Random, log: Log): Promise<void> {
  // What is on its way arrives before.
  await sleep(10)
  const isReset = random.once(2)
  // Without a junction there may be none to break: while an earlier request is answered, and after a later one was refused.
  if (!socket || socket.destroyed) return
  if (isReset) {
    log.push(wordOfReset)
    socket.resetAndDestroy()
  } else socket.destroy()
}

const oddities = [
  'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.0 200 OK\r\n\r\nto the end',
  'HTTP/1.1 200 OK\r\n\r\nto the end',
  'HTTP/1.1 204 No Content\r\nTrailer: X-A\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nTrailer: X-A\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTrailer: X-A\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n2;a=b\r\nok\r\n0\r\nX-A: J\u00f6rg\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 J\u00f6rg \u00ff\r\nX-B: \u00e4\u00f6\u00fc\r\nX-Fold: a\r\n b\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nX-Control: \u0001\u0007\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
  'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf',
  'HTTP/1.1 200 OK\r\nConte',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than it says',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nanything',
  'ICY 200 OK\r\n\r\nmusic',
  'garbage\0\u00ff\n\n',
  '',
]

/** Answers what Node.js does not: byte by byte, to requests without a body. */
export function createOddServer(log: Log): TcpServer {
  return createTcpServer((socket) => {
    let text = ''
    let turn = Promise.resolve()
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end)
        text = text.slice(end + 4)
        log.push(head)
        turn = turn.then(() => answerOddly(socket, head, log))
      }
    })
  })
}

async function answerOddly(socket: Socket, head: string, log: Log): Promise<void> {
  const random = createRandom(Number(/\d+/.exec(head)?.[0] ?? 0))
  const bytes = Buffer.from(random.pick(oddities), 'latin1')
  for (let at = 0; at < bytes.length;) {
    const length = random.pick([1, 7, 1_000])
    socket.write(bytes.subarray(at, at + length))
    at += length
    if (random.once(8)) await sleep(random.below(3))
  }
  await sleep(5)
  // The answer before may have been the last one.
  if (socket.writableEnded || socket.destroyed) return
  if (random.once(3)) {
    log.push(wordOfReset)
    socket.resetAndDestroy()
  } else socket.end()
}
