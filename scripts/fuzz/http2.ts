import http2, { type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2'

import type { Lane } from './http1.ts'
import { join, listen } from './listening.ts'
import { type Random, createRandom } from './random.ts'

const values = ['a', 'J\u00c3\u00b6rg', 'J\u00f6rg \u00ff', '', 'x'.repeat(3_000), '"quoted; text"']
/** Of a client that takes fewer fields than it gets, Node.js 24 may abort: see `limits` in src/bridge/junction/junction-http2.ts. */
const lenient = { strictSingleValueFields: false, maxHeaderListPairs: 1 << 14, settings: { initialWindowSize: 1 << 20 } }

/** The same for HTTP/2: streams of one connection, side by side. */
export async function startHttp2Lane(onProblem: (error: unknown) => void): Promise<Lane> {
  await using cleanup = new AsyncDisposableStack()
  const create = () => http2.createServer(lenient).on('stream', (stream, headers, _, raw) => respond(stream, String(headers[':path']), raw))
  const [direct, original, local] = [
    cleanup.use(await listen(create())),
    cleanup.use(await listen(create())),
    cleanup.use(await listen(create())),
  ]
  const junction = cleanup.use(await join(original, local, { onProblem, body: true }))
  const owned = cleanup.move()
  return {
    async compare(seed) {
      const without = await converse(direct.endpoint.port, seed)
      const given = await converse(junction.port, seed)
      const index = without.findIndex((each, stream) => each !== given[stream])
      return index < 0 ? undefined : `seed ${seed}, stream ${index}\n  without: ${without[index]}\n  with: ${given[index]}`
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What comes back is what was received, so that callers see both. */
function respond(stream: ServerHttp2Stream, path: string, received: readonly string[]): void {
  const random = createRandom(Number(path.slice(1)))
  const options = { endStream: random.once(6), waitForTrailers: true, sendDate: false }
  const status = random.pick(['200', '201', '404', '299'])
  let size = 0
  stream.on('error', () => {})
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-name': 'J\u00f6rg', 'x-size': String(size) }))
  const answer = () => {
    if (stream.destroyed || stream.closed) return
    if (random.once(6)) stream.additionalHeaders({ ':status': 103, link: '</a>' })
    const seen = Buffer.from(JSON.stringify(received)).toString('base64')
    stream.respond([':status', status, ...createHeaders(random), 'x-seen', seen], { ...options, waitForTrailers: !options.endStream })
    if (options.endStream) return
    stream.write('answer'.repeat(random.pick([1, 100, 20_000])))
    if (random.once(8))
      setTimeout(() => stream.close(random.pick([http2.constants.NGHTTP2_CANCEL, http2.constants.NGHTTP2_REFUSED_STREAM])), 20)
    else stream.end('end')
  }
  stream.on('data', (chunk: Buffer) => (size += chunk.length))
  // How much an early answer has seen is a matter of the moment.
  if (random.once(8)) {
    size = Number.NaN
    answer()
  } else stream.once('end', answer)
}

function createHeaders(random: Random): readonly string[] {
  const names = ['x-a', 'x-b', 'x-a', 'set-cookie', 'content-type', 'via']
  // More fields than Node.js takes by default. More bytes than it sends in all are the end of its stream.
  if (random.once(10)) return Array.from({ length: 150 }, () => [random.pick(names), random.pick(values).slice(0, 9)]).flat()
  return Array.from({ length: random.below(6) }, () => [random.pick(names), random.pick(values)]).flat()
}

async function converse(port: number, seed: number): Promise<readonly string[]> {
  const random = createRandom(seed)
  const session = http2.connect(`http://127.0.0.1:${port}`, lenient)
  session.on('error', () => {})
  const results = await Promise.all(Array.from({ length: 1 + random.below(8) }, () => ask(session, createRandom(random.below(2 ** 31)))))
  session.destroy()
  return results
}

async function ask(session: ClientHttp2Session, random: Random): Promise<string> {
  const side = random.once(2) ? ['x-side', 'b'] : []
  const method = random.pick(['GET', 'POST', 'PUT', 'BREW', 'HEAD'])
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const hasTrailers = hasBody && random.once(3)
  const head = [':method', method, ':path', `/${random.below(1_000_000)}`, ':scheme', 'http', ':authority', 'shop']
  const stream = session.request([...head, ...side, ...createHeaders(random)], { endStream: !hasBody, waitForTrailers: hasTrailers })
  const told: unknown[] = []
  let size = 0
  stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
  stream.on('headers', (headers) => told.push({ ...headers }))
  stream.on('response', (_, flags, raw) => told.push(flags & http2.constants.NGHTTP2_FLAG_END_STREAM, raw))
  stream.on('trailers', (trailers) => told.push({ ...trailers }))
  stream.on('data', (chunk: Buffer) => (size += chunk.length))
  stream.on('error', () => {})
  for (let left = hasBody ? random.below(4) : 0; left > 0; left--)
    stream.write(Buffer.alloc(random.pick([1, 1_000, 90_000]), 'body\r\n\r\nGET'))
  if (hasBody) stream.end()
  await new Promise<void>((resolve) => stream.once('close', resolve))
  // How much came before a stream was reset is a matter of the moment.
  return JSON.stringify([stream.rstCode, stream.rstCode === 0 ? [size, told] : []])
}
