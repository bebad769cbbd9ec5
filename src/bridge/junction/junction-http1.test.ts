import { once } from 'node:events'
import { createServer } from 'node:http'
import { type Socket, connect, createServer as createTcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { messageOf } from '../../support/errors.ts'
import { junctionOf, receive, serve } from '../../testing/junction.ts'

/** Answers each head by a text of one byte a character, and ends what it says is the end. */
const answering = (answer: (head: string) => string, seen: string[] = []) =>
  createTcpServer((socket) => {
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end + 4)
        text = text.slice(end + 4)
        seen.push(head)
        const answered = answer(head)
        socket.write(answered, 'latin1')
        if (/connection: close/i.test(answered) || answered.startsWith('HTTP/1.0')) socket.end()
      }
    })
  })

const local = { id: 'a', match: [{ headers: { 'x-side': 'local' } }], mirror: false }

async function ask(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.write(text, 'latin1')
  const { text: received } = await receive(socket)
  socket.destroy()
  return received
}

test('every byte of a request and of its answer passes, to either side', async () => {
  const seen: string[] = []
  const answer =
    'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 Sch\u00f6n \u00ff\r\nX-Name: J\u00c3\u00b6rg\r\nx-name:\tJ\u00f6rg  \r\nX-Fold: a\r\n  b\r\nSet-Cookie: a\r\nset-cookie: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;ext="x"\r\nok\r\n0\r\nX-End: J\u00f6rg\r\n\r\n'
  const junction = await junctionOf(answering(() => answer, seen))
  junction.add({ ...local, endpoint: await serve(answering(() => answer, seen)) })
  const many = Array.from({ length: 3_000 }, (_, index) => `x-${index}: ${index}\r\n`).join('')
  for (const side of ['local', 'original'])
    for (const start of [
      'BREW /gr\u00c3\u00b6\u00dfe?\u00ff HTTP/1.1',
      'GET http://shop:80/%C3%B6 HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'GET / HTTP/1.0',
    ]) {
      const request = `${start}\r\nHOST:shop\r\nx-side:  ${side} \r\nX-Name: J\u00c3\u00b6rg\r\nX-name: J\u00f6rg\r\nX-Empty:\r\nX-Fold: a\r\n\tb\r\n${many}\r\n`
      expect(await ask(junction.port, request)).toBe(answer)
      expect(seen.pop()).toBe(request)
    }
})

test('what Node.js would not write passes as well: it is as it would be without a bridge', async () => {
  for (const [method, answer] of [
    ['HEAD', 'HTTP/1.1 200 OK\r\nTrailer: X-A\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 No Content\r\nTrailer: X-A\r\nConnection: close\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nTrailer: X-A\r\nContent-Length: 9\r\nConnection: close\r\n\r\n'],
    ['GET', 'HTTP/1.1 200 OK\r\nTrailer: X-A\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'],
    ['GET', 'HTTP/1.1 999 \u0001\u0007\r\nX-Control: \u0001\u007f\r\nConnection: close\r\n\r\nto the end'],
    ['GET', 'HTTP/1.0 200\r\n\r\nto the end'],
  ] as const) {
    const problems: string[] = []
    const junction = await junctionOf(answering(() => ''))
    const endpoint = await serve(answering(() => answer))
    junction.add({ ...local, endpoint, onProblem: (error) => problems.push(messageOf(error)) })
    expect(await ask(junction.port, `${method} / HTTP/1.1\r\nX-Side: local\r\n\r\n`)).toBe(answer)
    expect(await ask(junction.port, `${method} / HTTP/1.0\r\nX-Side: local\r\n\r\n`)).toBe(answer)
    expect([problems, junction.problems]).toEqual([[], []])
  }
})

test('an answer that is none becomes a 502 and a line in the problems of the bridge; that of the original passes', async () => {
  for (const answer of [
    'ICY 200 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n',
    '\0\u00ff\n\n',
  ]) {
    const problems: string[] = []
    const half = () => createTcpServer((socket) => void socket.on('error', () => {}).once('data', () => socket.end(answer, 'latin1')))
    const junction = await junctionOf(half())
    junction.add({ ...local, endpoint: await serve(half()), onProblem: (error) => problems.push(messageOf(error)) })
    const text = `The local side of the bridge of "deployment/shop" answered GET with what is not HTTP/1: ${JSON.stringify(answer)}.`
    for (let time = 0; time < 2; time++)
      expect(await ask(junction.port, 'GET / HTTP/1.1\r\nX-Side: local\r\n\r\n')).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/)
    expect(await ask(junction.port, 'GET / HTTP/1.1\r\n\r\n')).toBe(answer)
    expect([problems, junction.problems]).toEqual([[text], []])
  }
})

test('an upgrade that is answered by 200 leaves the connection to further requests, each to its side', async () => {
  const say = (name: string) =>
    answering((head) => `HTTP/1.1 200 OK\r\nContent-Length: ${name.length + 2}\r\nX-Path: ${head.split(' ')[1]!}\r\n\r\n${name}\r\n`)
  const junction = await junctionOf(say('original'))
  junction.add({ ...local, endpoint: await serve(say('local')) })
  const socket = connect({ port: junction.port, host: '127.0.0.1' }).setEncoding('latin1')
  const upgrade = 'Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n'
  for (const [path, side] of [
    ['/1', 'original'],
    ['/2', 'local'],
    ['/3', 'original'],
  ] as const) {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: shop\r\n${upgrade}X-Side: ${side}\r\n\r\n`)
    await expect.poll(() => (socket.read() as string | null) ?? '').toMatch(new RegExp(`X-Path: ${path}\r\n\r\n${side}\r\n$`))
  }
  socket.destroy()
})

test('requests that do not wait for answers are answered in their order, by their sides', async () => {
  const junction = await junctionOf(createServer((request, response) => void setTimeout(() => response.end(`original ${request.url}`), 20)))
  junction.add({ ...local, endpoint: await serve(createServer((request, response) => void response.end(`local ${request.url}`))) })
  const requests = Array.from(
    { length: 6 },
    (_, index) => `GET /${index} HTTP/1.1\r\nHost: shop\r\n${index % 2 ? 'X-Side: local\r\n' : ''}\r\n`,
  )
  const received = await ask(junction.port, `${requests.join('')}GET /6 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n`)
  expect(received.match(/(?:local|original) \/\d/g)).toEqual([
    'original /0',
    'local /1',
    'original /2',
    'local /3',
    'original /4',
    'local /5',
    'original /6',
  ])
})

test('what could be two requests to one server and one to another is refused in the words of Node.js, and nobody gets it', async () => {
  const seen: string[] = []
  const junction = await junctionOf(answering(() => '', seen))
  const refused = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'
  for (const lengths of [
    'Content-Length: 4\r\nTransfer-Encoding: chunked',
    'Content-Length: 4\r\nContent-Length: 0',
    'Transfer-Encoding: chunked, x',
  ])
    expect(await ask(junction.port, `POST / HTTP/1.1\r\nHost: shop\r\n${lengths}\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n`)).toBe(refused)
  expect(await ask(junction.port, `GET / HTTP/1.1\r\nX: ${'x'.repeat(2 << 20)}`)).toMatch(/^HTTP\/1.1 431 /)
  expect(seen).toEqual([])
})

test('a body that is not as its head says goes to one side with all that follows', async () => {
  const [original, other]: [string[], string[]] = [[], []]
  const record = (into: string[]) => createTcpServer((socket) => void socket.on('data', (chunk) => into.push(chunk.toString('latin1'))))
  const junction = await junctionOf(record(original))
  junction.add({ ...local, endpoint: await serve(record(other)) })
  const text = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\nGET /x HTTP/1.1\r\nX-Side: local\r\n\r\n'
  const socket = connect({ port: junction.port, host: '127.0.0.1' })
  socket.write(text)
  await expect.poll(() => original.join('')).toBe(text)
  expect(other).toEqual([])
  socket.destroy()
})

test('who waits for 100 gets it from the side, and from the junction where the body decides', async () => {
  const side = (name: string) =>
    createServer().on('checkContinue', (request, response) => {
      response.writeContinue()
      request.resume().once('end', () => response.end(name))
    })
  const junction = await junctionOf(side('original'))
  junction.add({ id: 'b', endpoint: await serve(side('local')), match: [{ body: 'hello' }], mirror: false })
  const socket = connect({ port: junction.port, host: '127.0.0.1' })
  socket.write('POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n')
  expect(String((await once(socket, 'data'))[0])).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  socket.write('hello')
  const { text } = await receive(socket)
  expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*local/)
  expect(text).not.toMatch(/100 Continue/)
})

test('the first bytes of a request may come one by one', async () => {
  const junction = await junctionOf(createServer((_, response) => void response.end('original')))
  junction.add({ ...local, endpoint: await serve(createServer((_, response) => void response.end('local'))) })
  const socket = connect({ port: junction.port, host: '127.0.0.1', noDelay: true })
  for (const piece of ['G', 'E', 'T ', '/', ' HTTP/1.1\r\nX-Side: local\r\nHost: shop\r\nConnection: close\r\n\r\n']) {
    socket.write(piece)
    await sleep(60)
  }
  expect((await receive(socket)).text).toMatch(/local$/)
})

test('a side that answers before it has read all is heard, and may go on reading', async () => {
  const size = 3 << 20
  let read = 0
  const early = createTcpServer((socket: Socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n'))
    socket.on('data', (chunk) => (read += chunk.length))
    socket.on('error', () => {})
  })
  const junction = await junctionOf(early)
  const head = `PUT / HTTP/1.1\r\nContent-Length: ${size}\r\n\r\n`
  const socket = connect({ port: junction.port, host: '127.0.0.1' })
  socket.write(head)
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 413/)
  socket.write(Buffer.alloc(size))
  await expect.poll(() => read).toBe(size + head.length)
  socket.destroy()
})

test.for(['answers a last time', 'is done with the connection'])(
  'who asks on while a side %s reads the answer, and then an end: no reset takes it away',
  async (how) => {
    const isLast = how === 'answers a last time'
    const head = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${isLast ? 'Connection: close\r\n' : ''}\r\n`
    const junction = await junctionOf(
      createTcpServer((socket) => void socket.on('error', () => {}).once('data', () => socket.end(`${head}ok`))),
    )
    const socket = connect({ port: junction.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const received = receive(socket)
    const closed = once(socket, 'close')
    for (let index = 0; index < 100 && socket.writable; index++) {
      socket.write(`GET /${index} HTTP/1.1\r\nHost: shop\r\n\r\n`)
      await sleep(2)
    }
    expect((await received).text).toBe(`${head}ok`)
    socket.end()
    expect(await closed).toEqual([false])
  },
)
