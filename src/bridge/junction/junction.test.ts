import { once } from 'node:events'
import { Agent, type IncomingMessage, type RequestListener, createServer, request as httpRequest } from 'node:http'
import http2 from 'node:http2'
import { connect, createServer as createTcpServer } from 'node:net'

import { expect, test } from 'vitest'

import { junctionOf, serve } from '../../testing/junction.ts'

const answer =
  (text: string): RequestListener =>
  async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    response.end(`${text} ${request.method} ${request.url} ${body}`.trimEnd())
  }

const http = (listener: RequestListener) => createServer(listener)
const all = { match: undefined, mirror: false }

test('requests that fit go local, all others to the original, also on one connection', async () => {
  const junction = await junctionOf(http(answer('original')))
  const local = await serve(http(answer('local')))
  junction.add({ id: 'a', endpoint: local, match: [{ headers: { 'x-user': 'ann' } }, { path: '/api/*', method: 'PUT' }], mirror: false })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (method: string, path: string, headers = {}, body = '') => read(junction.url + path, { method, headers, agent }, body)
  expect(await ask('GET', '/a')).toBe('original GET /a')
  expect(await ask('GET', '/a', { 'x-user': 'ann' })).toBe('local GET /a')
  expect(await ask('PUT', '/api/x', {}, 'body')).toBe('local PUT /api/x body')
  expect(await ask('POST', '/api/x', {}, 'body')).toBe('original POST /api/x body')
  expect(await ask('POST', '/empty')).toBe('original POST /empty')
  junction.remove('a')
  expect(await ask('GET', '/a', { 'x-user': 'ann' })).toBe('original GET /a')
  agent.destroy()
})

test('requests of one connection share one connection to each side', async () => {
  let connections = 0
  const original = http(answer('original')).on('connection', () => connections++)
  const junction = await junctionOf(original)
  junction.add({ id: 'a', endpoint: await serve(http(answer('local'))), match: [{ path: '/local' }], mirror: false })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (const path of ['/a', '/local', '/b', '/local', '/c']) await read(junction.url + path, { agent })
  expect(connections).toBe(1)
  agent.destroy()
})

test('a side that closes what waits closes the connection of a caller only if it had its last request', async () => {
  const original = http(answer('original'))
  const junction = await junctionOf(original)
  const impatient = http(answer('local'))
  junction.add({ id: 'a', endpoint: await serve(impatient), match: [{ path: '/local' }], mirror: false })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async (path: string) => {
    const request = httpRequest(junction.url + path, { agent }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    await response.resume().toArray()
    return request.socket!
  }
  const socket = await ask('/local')
  await ask('/other')
  impatient.closeIdleConnections()
  await expect.poll(() => new Promise((resolve) => impatient.getConnections((_, count) => resolve(count)))).toBe(0)
  expect(await ask('/other')).toBe(socket)
  expect(await ask('/local')).toBe(socket)
  impatient.closeIdleConnections()
  await once(socket, 'close')
  agent.destroy()
})

test('heads, streams, trailers and interim answers pass as they are', async () => {
  const junction = await junctionOf(
    createServer({ joinDuplicateHeaders: false }, (request, response) => {
      response.writeHead(201, 'Made Up', [
        'X-Seen',
        JSON.stringify(request.rawHeaders),
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'Trailer',
        'X-End',
      ])
      response.write('first')
      request.on('data', (chunk) => response.write(chunk))
      request.on('end', () => {
        response.addTrailers({ 'X-End': String(request.rawTrailers) })
        response.end()
      })
    }),
  )
  const request = httpRequest(junction.url, {
    method: 'POST',
    headers: ['Host', 'shop', 'X-ODD', '1', 'Expect', '100-continue', 'Transfer-Encoding', 'chunked', 'Trailer', 'X-Sum'],
  })
  const answered = once(request, 'response')
  request.flushHeaders()
  await once(request, 'continue')
  request.write('second')
  const [response] = (await answered) as [IncomingMessage]
  expect([response.statusCode, response.statusMessage, response.headers['set-cookie']]).toEqual([201, 'Made Up', ['a=1', 'b=2']])
  expect(JSON.parse(response.headers['x-seen'] as string)).toEqual(
    expect.arrayContaining(['Host', 'shop', 'X-ODD', '1', 'Expect', '100-continue']),
  )
  // The answer arrives while the request is still on its way.
  const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>
  let text = ''
  while (text !== 'firstsecond') text += (await chunks.next()).value
  request.addTrailers({ 'X-Sum': '42' })
  request.end()
  expect((await chunks.next()).done).toBe(true)
  expect(response.trailers).toEqual({ 'x-end': 'X-Sum,42' })
})

test('a caller of HTTP/1.0 gets an answer that it understands', async () => {
  const junction = await junctionOf(http((_, response) => void response.write('one', () => response.end('two'))))
  const socket = connect({ port: junction.port, host: '127.0.0.1' })
  socket.write('GET / HTTP/1.0\r\n\r\n')
  expect(Buffer.concat(await socket.toArray()).toString()).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\nonetwo$/)
})

test('who cannot be reached is named, and a connection that breaks under way breaks', async () => {
  const junction = await junctionOf(http((request) => void request.socket.destroy()))
  const gone = await serve(createTcpServer())
  junction.add({ id: 'a', endpoint: { ...gone, port: 1 }, match: [{ path: '/local' }], mirror: false })
  expect(await read(`${junction.url}/local`)).toBe(
    'The bridge of "deployment/shop" cannot reach the local side: connect ECONNREFUSED 127.0.0.1:1\n',
  )
  await expect(read(`${junction.url}/other`)).rejects.toThrow('socket hang up')
})

test('a caller that leaves is seen to leave by whoever answers', async () => {
  const left = Promise.withResolvers<void>()
  const junction = await junctionOf(
    http((_, response) => {
      response.write('...')
      response.once('close', left.resolve)
    }),
  )
  const request = httpRequest(junction.url)
    .on('error', () => {})
    .end()
  await once(request, 'response')
  request.destroy()
  await left.promise
})

test('an upgrade goes where its request goes, and stays there', async () => {
  const upgrading = (text: string) =>
    createServer().on('upgrade', (request, socket, head) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n${text} ${String(request.headers['x-user'])} ${head.toString()}`,
      )
      socket.pipe(socket)
    })
  const junction = await junctionOf(upgrading('original'))
  junction.add({ id: 'a', endpoint: await serve(upgrading('local')), match: [{ headers: { 'x-user': 'ann' } }], mirror: false })
  for (const [user, side] of [
    ['ann', 'local'],
    ['bob', 'original'],
  ]) {
    const socket = connect({ port: junction.port, host: '127.0.0.1' }).setEncoding('utf8')
    socket.write(`GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-User: ${user}\r\n\r\nhead`)
    await expect.poll(() => (socket.read() as string | null) ?? '').toMatch(new RegExp(`${side} ${user} head$`))
    socket.write('GET / HTTP/1.1\r\nX-User: ann\r\n\r\n')
    await expect.poll(() => (socket.read() as string | null) ?? '').toBe('GET / HTTP/1.1\r\nX-User: ann\r\n\r\n')
    socket.destroy()
  }
})

test('an offer of h2c does not hide the requests that follow', async () => {
  const junction = await junctionOf(http(answer('original')))
  junction.add({ id: 'a', endpoint: await serve(http(answer('local'))), match: [{ path: '/local' }], mirror: false })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAoAAA' }
  expect(await read(`${junction.url}/a`, { agent, headers })).toBe('original GET /a')
  expect(await read(`${junction.url}/local`, { agent })).toBe('local GET /local')
  agent.destroy()
})

test('what is not HTTP passes to the original, whoever speaks first and whoever ends first', async () => {
  const banner = createTcpServer({ allowHalfOpen: true }, (socket) => {
    socket.write('220 ready\n')
    socket.pipe(socket)
  })
  const junction = await junctionOf(banner)
  junction.add({ id: 'a', endpoint: await serve(createTcpServer()), match: [{ path: '/local' }], mirror: false })
  const first = connect({ port: junction.port, host: '127.0.0.1', allowHalfOpen: true })
  expect(String((await once(first, 'data'))[0])).toBe('220 ready\n')
  first.end('EHLO me')
  expect(String((await once(first, 'data'))[0])).toBe('EHLO me')
  await once(first, 'end')
  const second = connect({ port: junction.port, host: '127.0.0.1' })
  second.end(Buffer.from([0, 1, 2, 255]))
  expect(Buffer.concat(await second.toArray())).toEqual(Buffer.concat([Buffer.from('220 ready\n'), Buffer.from([0, 1, 2, 255])]))
})

test('a client of HTTP that takes its time is understood', async () => {
  const junction = await junctionOf(http(answer('original')))
  junction.add({ id: 'a', endpoint: await serve(http(answer('local'))), match: [{ path: '/local' }], mirror: false })
  const socket = connect({ port: junction.port, host: '127.0.0.1' })
  await once(socket, 'connect')
  await new Promise((resolve) => setTimeout(resolve, 120))
  socket.write('GET /loc')
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.end('al HTTP/1.1\r\nHost: shop\r\n\r\n')
  expect(Buffer.concat(await socket.toArray()).toString()).toMatch(/local GET \/local/)
})

test('a request that arrives while its original is looked up is understood', async () => {
  const asked = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  const original = await serve(http(answer('original')))
  const junction = await junctionOf(createTcpServer(), async () => {
    asked.resolve()
    await arrived.promise
    return original
  })
  junction.add({ id: 'a', endpoint: await serve(http(answer('local'))), match: [{ path: '/local' }], mirror: false })
  const socket = connect({ port: junction.port, host: '127.0.0.1' })
  await asked.promise
  socket.write('GET /local HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50))
  arrived.resolve()
  expect(Buffer.concat(await socket.toArray()).toString()).toMatch(/local GET \/local/)
})

test('a body decides when it is short; a longer one passes unchanged', async () => {
  const junction = await junctionOf(http(answer('original')))
  junction.add({
    id: 'a',
    endpoint: await serve(http(answer('local'))),
    match: [{ method: 'POST', body: /"operationName":"Cart"/ }],
    mirror: false,
  })
  const short = '{"operationName":"Cart"}'
  const long = `{"operationName":"Cart","x":"${'y'.repeat(200_000)}"}`
  expect(await read(`${junction.url}/`, { method: 'POST' }, short)).toBe(`local POST / ${short}`)
  expect(await read(`${junction.url}/`, { method: 'POST' }, '{}')).toBe('original POST / {}')
  expect(await read(`${junction.url}/`, { method: 'POST' }, long)).toBe(`original POST / ${long}`)
  expect(await read(`${junction.url}/`)).toBe('original GET /')
})

test('copies: the original answers, each mirror gets every request and body that fits', async () => {
  const seen: string[] = []
  const tap = (name: string) =>
    http(async (request, response) => {
      seen.push(`${name} ${request.method} ${request.url} ${Buffer.concat(await request.toArray()).length}`)
      response.writeHead(500).end('never seen')
    })
  const junction = await junctionOf(http(answer('original')))
  junction.add({ id: 'a', endpoint: await serve(tap('all')), match: undefined, mirror: true })
  junction.add({ id: 'b', endpoint: await serve(tap('some')), match: [{ path: '/some' }], mirror: true })
  junction.add({ id: 'c', endpoint: { host: '127.0.0.1', port: 1 }, match: undefined, mirror: true })
  expect(await read(`${junction.url}/some`, { method: 'POST' }, 'x'.repeat(100_000))).toMatch(/^original POST \/some x+$/)
  expect(await read(`${junction.url}/other`)).toBe('original GET /other')
  await expect
    .poll(() => seen.toSorted((x, y) => x.localeCompare(y)))
    .toEqual(['all GET /other 0', 'all POST /some 100000', 'some POST /some 100000'])
})

test('a mirror that reads nothing delays nothing', async () => {
  const junction = await junctionOf(http(answer('original')))
  junction.add({ id: 'a', endpoint: await serve(createTcpServer((socket) => socket.pause())), match: undefined, mirror: true })
  expect(await read(junction.url, { method: 'PUT' }, 'x'.repeat(20 << 20))).toHaveLength('original PUT / '.length + (20 << 20))
})

test('HTTP/2: streams of one connection go to their sides, with trailers, 100 at a time', async () => {
  const grpc = (text: string) =>
    http2.createServer().on('stream', (stream, headers) => {
      if (headers[':path'] === '/only-trailers') return stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true })
      let size = 0
      stream.on('data', (chunk: Buffer) => (size += chunk.length))
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
        stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-size': String(size) }))
        stream.end(`${text} ${headers[':path']}`)
      })
    })
  const junction = await junctionOf(grpc('original'))
  junction.add({ id: 'a', endpoint: await serve(grpc('local')), match: [{ headers: { 'x-user': 'ann' } }], mirror: false })
  const session = http2.connect(junction.url)
  const ask = async (headers: http2.OutgoingHttpHeaders, body: Buffer) => {
    const stream = session.request({ ':method': 'POST', ...headers })
    let trailers: http2.IncomingHttpHeaders = {}
    stream.once('trailers', (received) => (trailers = received))
    stream.end(body)
    const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    return { head, text: Buffer.concat(await stream.toArray()).toString(), trailers }
  }
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => ask({ ':path': `/${i}`, 'x-user': i % 2 ? 'ann' : 'bob' }, Buffer.alloc(i * 1_000))),
  )
  answers.forEach(({ text, trailers }, i) => {
    expect(text).toBe(`${i % 2 ? 'local' : 'original'} /${i}`)
    expect(trailers).toMatchObject({ 'grpc-status': '0', 'x-size': String(i * 1_000) })
  })
  expect((await ask({ ':path': '/only-trailers' }, Buffer.alloc(0))).head['grpc-status']).toBe('12')
  session.close()
})

test('HTTP/2: a cancelled stream is cancelled at its side, and its siblings live', async () => {
  const cancelled = Promise.withResolvers<number>()
  const local = http2.createServer().on('stream', (stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    stream.write('first')
    stream.once('close', () => cancelled.resolve(stream.rstCode))
  })
  const junction = await junctionOf(http2.createServer().on('stream', (stream) => void stream.end('original')))
  junction.add({ id: 'a', endpoint: await serve(local), match: [{ path: '/local' }], mirror: false })
  const session = http2.connect(junction.url)
  const sibling = session.request({ ':path': '/other' }).toArray()
  const stream = session.request({ ':path': '/local' })
  await once(stream, 'data')
  stream.close(http2.constants.NGHTTP2_CANCEL)
  expect(await cancelled.promise).toBe(http2.constants.NGHTTP2_CANCEL)
  expect(Buffer.concat(await sibling).toString()).toBe('original')
  session.close()
})

test('its end lets answers under way finish and closes what waits', async () => {
  const junction = await junctionOf(http(answer('original')))
  junction.add({ id: 'a', endpoint: await serve(http((_, response) => void setTimeout(() => response.end('late'), 200))), ...all })
  const agent = new Agent({ keepAlive: true })
  const late = read(junction.url, { agent })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await junction[Symbol.asyncDispose]()
  expect(await late).toBe('late')
  await expect(read(junction.url, { agent })).rejects.toThrow(/ECONNREFUSED|ECONNRESET|hang up/)
})

async function read(url: string, options: import('node:http').RequestOptions = {}, body = ''): Promise<string> {
  const request = httpRequest(url, options)
  if (body) request.setHeader('content-length', Buffer.byteLength(body))
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return (await response.setEncoding('utf8').toArray()).join('')
}
