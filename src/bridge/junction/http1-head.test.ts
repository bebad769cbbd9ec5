import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

import { expect, test } from 'vitest'

import { type Framing, parseAnswer, parseRequest, readHead, withoutH2c } from './http1-head.ts'
import { createSource } from './source.ts'

const request = (...lines: string[]) => parseRequest(Buffer.from(['POST / HTTP/1.1', ...lines, '', ''].join('\r\n'), 'latin1'))
const answer = (method: string, ...lines: string[]) => parseAnswer(Buffer.from([...lines, '', ''].join('\r\n'), 'latin1'), method)

test.for<[readonly string[], Framing]>([
  [[], 'none'],
  [['Content-Length: 0'], { length: 0 }],
  [['CONTENT-LENGTH:5  '], { length: 5 }],
  [['Content-Length: 5', 'content-length: 5'], { length: 5 }],
  [['Transfer-Encoding: chunked'], 'chunked'],
  [['Transfer-Encoding:', ' chunked'], 'chunked'],
  [['Transfer-Encoding: gzip', 'Transfer-Encoding: Chunked'], 'chunked'],
])('the end of a request with %j is told by %j', ([lines, framing]) => {
  expect(request(...lines)?.framing).toEqual(framing)
})

test.for<[readonly string[]]>([
  [['Content-Length: 5', 'Content-Length: 6']],
  [['Content-Length: 5', 'Transfer-Encoding: chunked']],
  [['Content-Length: 5, 5']],
  [['Content-Length: +5']],
  [['Content-Length: -1']],
  [['Content-Length:']],
  [['Content-Length: 1', ' 2']],
  [['Content-Length : 5']],
  [['Transfer-Encoding : chunked']],
  [['Transfer-Encoding: identity']],
  [['Transfer-Encoding: chunked, identity']],
  [['Transfer-Encoding: chunked, chunked']],
  [['Transfer-Encoding: xchunked']],
  [['X: a\rTransfer-Encoding: chunked']],
  [['X: a\0']],
])('a request that two servers could end in two places is refused: %j', ([lines]) => {
  expect(request(...lines)).toBeUndefined()
})

test.for([
  'GET / HTTP/1.1',
  'brew /pot HTTP/1.1',
  'M-SEARCH * HTTP/1.1',
  'GET http://shop:80/a?b HTTP/1.0',
  'CONNECT shop:443 HTTP/1.1',
  'GET /größe?ü HTTP/1.1',
  'GET /a b HTTP/1.1',
  'QUERY / HTTP/2.0',
])('%j begins a request', (start) => {
  expect(parseRequest(Buffer.from(`${start}\r\nHost: shop\r\n\r\n`))).toMatchObject({ method: start.split(' ')[0] })
})

test.for(['GET /', 'GET  HTTP/1.1', '/ HTTP/1.1', 'GET / http/1.1', 'G@T / HTTP/1.1', 'GET / HTTP/11'])('%j begins none', (start) => {
  expect(parseRequest(Buffer.from(`${start}\r\n\r\n`))).toBeUndefined()
})

test('names are in lower case, repeated ones joined, folded lines unfolded, values as UTF-8 where they are that', () => {
  const { headers, url } = parseRequest(
    Buffer.from('GET /größe HTTP/1.1\nX-Name:  Jörg \nCookie: a=1\nx-name: 2\ncookie: b=2\nX-Fold: a\n\tb\n\n'),
  )!
  expect(url).toBe('/größe')
  expect(headers).toEqual({ 'x-name': 'Jörg, 2', cookie: 'a=1; b=2', 'x-fold': 'a b' })
  expect(request('X-Name: J\u00f6rg')?.headers).toEqual({ 'x-name': 'Jörg' })
})

test.for<[readonly string[], boolean]>([
  [[], false],
  [['Connection: close'], true],
  [['Connection: keep-alive, Close'], true],
  [['Connection: closed'], false],
])('an answer with %j is the last one of its connection: %j', ([lines, isLast]) => {
  const head = ['HTTP/1.1 200 OK', 'Content-Length: 2', ...lines, '', ''].join('\r\n')
  expect(parseAnswer(Buffer.from(head), 'GET')?.isLast).toBe(isLast)
})

test.for([
  ['GET / HTTP/1.0', true],
  ['GET / HTTP/1.0\r\nConnection: Keep-Alive', false],
  ['GET / HTTP/1.1\r\nConnection: close', false],
  ['CONNECT shop:80 HTTP/1.1', true],
] as const)('what follows %j belongs to it: %j', ([head, ownsConnection]) => {
  expect(parseRequest(Buffer.from(`${head}\r\n\r\n`))?.ownsConnection).toBe(ownsConnection)
})

test.for<[string, readonly string[], Framing | undefined]>([
  ['GET', ['HTTP/1.1 200 OK', 'Content-Length: 5'], { length: 5 }],
  ['GET', ['HTTP/1.1 200', 'Transfer-Encoding: chunked'], 'chunked'],
  ['GET', ['HTTP/1.0 200 OK'], 'until-end'],
  ['GET', ['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip'], 'until-end'],
  ['HEAD', ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: X'], 'none'],
  ['GET', ['HTTP/1.1 204 No Content', 'Trailer: X'], 'none'],
  ['GET', ['HTTP/1.1 304 Not Modified', 'Content-Length: 5'], 'none'],
  ['GET', ['HTTP/1.1 103 Early Hints'], 'none'],
  ['GET', ['HTTP/1.1 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked'], 'chunked'],
  ['GET', ['HTTP/1.1 200 OK', 'Content-Length: 5', 'Content-Length: 6'], undefined],
  ['GET', ['HTTP/1.1 200 OK', 'Content-Length: x'], undefined],
  ['GET', ['HTTP/1.1 200 OK', 'X: a\rb'], undefined],
  ['GET', ['HTTP/1.1 2000 OK'], undefined],
  ['GET', ['ICY 200 OK'], undefined],
])('the end of the answer to %s, %j, is told by %j', ([method, lines, framing]) => {
  expect(answer(method, ...lines)?.framing).toEqual(framing)
})

test('a head is read to its empty line, in any pieces, and nothing beyond', async () => {
  const text = '\r\n\nGET / HTTP/1.1\r\nX: 1\n\r\nbody\r\n\r\n'
  for (const size of [1, 2, 3, 100]) {
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g'))!
    const source = createSource(Duplex.from(pieces.map((piece) => Buffer.from(piece))) as unknown as Socket)
    expect(await readHead(source)).toEqual({ bytes: Buffer.from('\r\n\nGET / HTTP/1.1\r\nX: 1\n\r\n'), end: 'complete' })
    expect(await readHead(source)).toMatchObject({ end: 'complete' })
  }
})

test('an offer of h2c is taken out, and nothing else', () => {
  const offer = (text: string) => {
    const bytes = Buffer.from(text, 'latin1')
    return withoutH2c(bytes, parseRequest(bytes)!).toString('latin1')
  }
  expect(
    offer('GET / HTTP/1.1\r\nConnection: Upgrade, x-y, HTTP2-Settings\r\nX: \u00ff\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n'),
  ).toBe('GET / HTTP/1.1\r\nConnection: x-y\r\nX: \u00ff\r\n\r\n')
  expect(offer('GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n')).toBe(
    'GET / HTTP/1.1\r\n\r\n',
  )
  expect(offer('GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')).toBe(
    'GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
})
