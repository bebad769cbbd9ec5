import { once } from 'node:events'
import http2 from 'node:http2'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { messageOf } from '../../support/errors.ts'
import { junctionOf, serve } from '../../testing/junction.ts'

const ann = { id: 'a', match: [{ headers: { 'x-user': 'ann' } }], mirror: false }

test('uploads that nobody reads leave other streams of their connection alone', async () => {
  const junction = await junctionOf(
    http2.createServer({ settings: { initialWindowSize: 1 << 20 } }).on('stream', (stream, headers) => {
      stream.on('error', () => {})
      if (headers[':path'] === '/upload') return stream.pause()
      stream.respond({ ':status': 200 })
      return stream.end('answered')
    }),
  )
  junction.add({ ...ann, endpoint: { host: '127.0.0.1', port: 1 } })
  const session = http2.connect(junction.url, { maxSessionMemory: 1_000 })
  const uploads = Array.from({ length: 40 }, () => {
    const upload = session.request({ ':method': 'PUT', ':path': '/upload' })
    upload.on('error', () => {})
    upload.write(Buffer.alloc(2 << 20))
    return upload
  })
  await sleep(500)
  for (let request = 0; request < 10; request++)
    expect(Buffer.concat(await session.request({ ':path': '/other' }).toArray()).toString()).toBe('answered')
  expect(uploads.filter(({ closed }) => closed)).toEqual([])
  session.destroy()
})

test('names, values and their order pass, repeated ones and all bytes included', async () => {
  const sent = [
    ':method',
    'BREW',
    ':path',
    '/gr\u00c3\u00b6\u00dfe',
    ':scheme',
    'http',
    ':authority',
    'shop',
    'x-a',
    '1',
    'cookie',
    'a=1',
    'x-name',
    'J\u00c3\u00b6rg \u00ff',
    'x-a',
    '2',
    'cookie',
    'b=2',
    'content-type',
    'a',
    'content-type',
    'b',
  ]
  const given = [':status', '299', 'x-a', '1', 'set-cookie', 'a', 'x-name', 'J\u00f6rg', 'set-cookie', 'b', 'x-a', '2']
  let seen: readonly string[] = []
  const lenient = { settings: {}, strictSingleValueFields: false }
  const junction = await junctionOf(
    http2.createServer(lenient).on('stream', (stream, _, __, raw) => {
      seen = raw
      const options = { endStream: false, sendDate: false }
      stream.respond(given, options)
      stream.end()
    }),
  )
  junction.add({ ...ann, endpoint: { host: '127.0.0.1', port: 1 } })
  const session = http2.connect(junction.url, lenient)
  const stream = session.request(sent, { endStream: true })
  const [, , raw] = (await once(stream, 'response')) as [unknown, unknown, readonly string[]]
  expect(seen).toEqual(sent)
  expect(raw).toEqual(given)
  session.close()
})

test('as many header fields pass as the two ends take, in both directions', async () => {
  const count = 20_000
  const fields = Array.from({ length: count }, () => ['x-a', '1']).flat()
  const limits = { maxHeaderListPairs: 1 << 16, maxSendHeaderBlockLength: 1 << 24, settings: { maxHeaderListSize: 1 << 24 } }
  const junction = await junctionOf(
    http2.createServer(limits).on('stream', (stream, _headers, _flags, raw) => {
      stream.respond([':status', '200', 'x-seen', String(raw.filter((each) => each === 'x-a').length), ...fields])
      stream.end()
    }),
  )
  junction.add({ ...ann, endpoint: { host: '127.0.0.1', port: 1 } })
  const session = http2.connect(junction.url, limits)
  const stream = session.request([':method', 'GET', ':path', '/', ':scheme', 'http', ':authority', 'shop', ...fields], { endStream: true })
  const [headers, , raw] = (await once(stream, 'response')) as [Record<string, string>, number, readonly string[]]
  expect(headers['x-seen']).toBe(String(count))
  expect(raw.filter((each) => each === 'x-a')).toHaveLength(count)
  session.destroy()
})

test('a preface in pieces is understood', async () => {
  const junction = await junctionOf(http2.createServer().on('stream', (stream) => void stream.end('original')))
  junction.add({ ...ann, endpoint: await serve(http2.createServer().on('stream', (stream) => void stream.end('local'))) })
  const socket = connect({ port: junction.port, host: '127.0.0.1', noDelay: true })
  for (const piece of ['P', 'RI', ' * HTTP/2.0\r\n\r\n', 'SM\r\n', '\r\n']) {
    socket.write(piece)
    await sleep(60)
  }
  // An empty SETTINGS, and a GET for / as Node.js writes it, without its preface.
  socket.write(Buffer.from('000000040000000000', 'hex'))
  const head = Buffer.concat([Buffer.from('82868441', 'hex'), Buffer.from([4]), Buffer.from('shop')])
  const user = Buffer.concat([Buffer.from('40', 'hex'), Buffer.from([6]), Buffer.from('x-user'), Buffer.from([3]), Buffer.from('ann')])
  const block = Buffer.concat([head, user])
  socket.write(Buffer.concat([Buffer.from([0, 0, block.length, 1, 5, 0, 0, 0, 1]), block]))
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  await expect.poll(() => text).toMatch(/local/)
  socket.destroy()
})

test('a side that cannot be reached, or breaks, ends the stream, and is told of', async () => {
  const problems: string[] = []
  const breaking = http2.createServer().on('stream', (stream) => {
    stream.respond({ ':status': 200 })
    stream.write('half', () => stream.session!.socket.resetAndDestroy())
  })
  const junction = await junctionOf(http2.createServer().on('stream', (stream) => void stream.end('original')))
  junction.add({ ...ann, endpoint: { host: '127.0.0.1', port: 1 }, onProblem: (error) => problems.push(messageOf(error)) })
  junction.add({ id: 'b', endpoint: await serve(breaking), match: [{ headers: { 'x-user': 'bob' } }], mirror: false })
  const session = http2.connect(junction.url)
  const gone = session.request({ ':path': '/', 'x-user': 'ann' })
  expect((await once(gone, 'response'))[0]).toMatchObject({ ':status': 502 })
  expect(Buffer.concat(await gone.toArray()).toString()).toMatch(/cannot reach the local side/)
  await expect(session.request({ ':path': '/', 'x-user': 'bob' }).toArray()).rejects.toThrow(/closed with error code|aborted/)
  expect(Buffer.concat(await session.request({ ':path': '/' }).toArray()).toString()).toBe('original')
  expect(problems).toEqual([expect.stringMatching(/^The bridge of "deployment\/shop" cannot reach the local side/)])
  expect(junction.problems).toEqual([])
  session.close()
})

test('uploads whose bodies decide may be cancelled, and their connections reset, at any moment', async () => {
  const junction = await junctionOf(http2.createServer().on('stream', (stream) => void stream.on('error', () => {}).pause()))
  junction.add({ id: 'b', endpoint: { host: '127.0.0.1', port: 1 }, match: [{ body: 'x' }], mirror: false })
  for (const wait of [0, 5, 30, 1_100]) {
    const session = http2.connect(junction.url)
    session.on('error', () => {})
    const uploads = Array.from({ length: 3 }, () => session.request({ ':method': 'PUT' }))
    for (const upload of uploads) {
      upload.on('error', () => {})
      upload.write(Buffer.alloc(40_000))
    }
    await sleep(wait)
    uploads[0]!.close(http2.constants.NGHTTP2_CANCEL)
    await sleep(5)
    session.socket.resetAndDestroy()
  }
  await sleep(100)
  expect(junction.problems).toEqual([])
})

test('an end of the junction that cuts a stream resets its connection', async () => {
  const junction = await junctionOf(http2.createServer().on('stream', (stream) => stream.respond({ ':status': 200 })))
  junction.add({ ...ann, endpoint: { host: '127.0.0.1', port: 1 } })
  const session = http2.connect(junction.url)
  session.on('error', () => {})
  const stream = session.request({ ':path': '/' })
  const broken = once(stream, 'error')
  await once(stream, 'response')
  await junction[Symbol.asyncDispose]()
  expect((await broken)[0]).toBeInstanceOf(Error)
})

test('a stream that its side resets before it answers is reset for the caller, by the same code', async () => {
  const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = http2.constants
  const junction = await junctionOf(
    http2.createServer().on('stream', (stream, headers) => {
      stream.on('error', () => {})
      setTimeout(() => stream.close(Number(headers['x-code'])), 20)
    }),
  )
  junction.add({ ...ann, endpoint: { host: '127.0.0.1', port: 1 } })
  const session = http2.connect(junction.url)
  for (const code of [NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM])
    for (const method of ['GET', 'HEAD', 'POST']) {
      const stream = session.request({ ':method': method, 'x-code': code })
      stream.on('error', () => {})
      stream.end()
      stream.resume()
      await new Promise<void>((resolve) => stream.once('close', resolve))
      expect([method, stream.rstCode]).toEqual([method, code])
    }
  session.close()
})
