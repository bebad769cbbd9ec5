import { type Random, createRandom } from './random.ts'

/** What a caller sends on one connection, and how. */
export interface Conversation {
  readonly seed: number
  /** Pieces as they are written, with milliseconds to wait before each. */
  readonly pieces: readonly { readonly bytes: Buffer; readonly wait: number }[]
  /** What the caller does when all is written. */
  readonly ending: 'wait' | 'end' | 'reset'
}

const methods = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'BREW', 'M-SEARCH', 'QUERY']
const words = ['a', 'B-c', 'Jörg', 'ü\u{1f600}', '€ 5', '', 'x'.repeat(300), 'tab\there', '"quoted; text"', ' spaces ']

/** @param isTame whether requests are plain, without bodies, and for the original */
export function createConversation(seed: number, isTame: boolean): Conversation {
  const random = createRandom(seed)
  const count = 1 + random.below(4)
  const requests = Array.from({ length: count }, (_, index) =>
    createRequest(random, { isLast: index === count - 1, isOnly: count === 1, isTame }),
  )
  const bytes = Buffer.concat(requests)
  return { seed, pieces: cut(bytes, random), ending: random.once(12) ? random.pick(['end', 'reset']) : 'wait' }
}

function createRequest(
  random: Random,
  { isLast, isOnly, isTame }: { readonly isLast: boolean; readonly isOnly: boolean; readonly isTame: boolean },
): Buffer {
  const path = `/${random.below(1_000_000)}${random.pick(['', '?q=1', '/größe', '?x=%C3%B6&y="', '/\u{e4}'])}`
  const method = random.pick(methods)
  const target = random.once(12) ? random.pick([`http://shop${path}`, '*', `https://other.example:1${path}`]) : path
  const version =
    !isTame && random.once(8) ? random.pick(['HTTP/1.0', 'HTTP/1.0', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1']) : 'HTTP/1.1'
  const lines = [`${method} ${target} ${version}`]
  if (version !== 'HTTP/1.0' || random.once(2)) lines.push('Host: shop')
  if (!isTame && random.once(2)) lines.push(`${random.pick(['X-Side', 'x-side', 'X-SIDE'])}: ${random.pick(['b', 'a'])}`)
  for (let left = random.once(20) ? 150 : random.below(6); left > 0; left--) lines.push(createHeader(random))
  // What it becomes is no HTTP any more, and Node.js does not wait with it for the answers to requests ahead of it.
  const isUpgrade = isOnly && random.once(8)
  if (isUpgrade) lines.push('Connection: Upgrade', `Upgrade: ${random.pick(['echo', 'TLS/1.2'])}`)
  else if (isLast || random.once(12)) lines.push(`Connection: ${random.pick(['close', 'Close', 'close, x-y'])}`)
  else if (version === 'HTTP/1.0') lines.push(random.pick(['Connection: keep-alive', 'X-No: keep-alive']))
  const { headers, body } = isTame ? { headers: [], body: Buffer.alloc(0) } : createBody(random, method, isUpgrade)
  lines.splice(1 + random.below(lines.length), 0, ...headers)
  if (!isTame && random.once(60)) spoil(lines, random)
  const end = !isTame && random.once(60) ? '\n' : '\r\n'
  const before = random.once(30) ? '\r\n' : ''
  return Buffer.concat([Buffer.from(before + [...lines, '', ''].join(end), !isTame && random.once(4) ? 'latin1' : 'utf8'), body])
}

function createHeader(random: Random): string {
  const name = random.pick(['X-A', 'x-a', 'ACCEPT', 'Cookie', 'X-Long', 'Content-Type', 'Via', 'X_Under', 'Forwarded', 'TE'])
  const value = random.once(40) ? 'y'.repeat(random.below(20_000)) : random.pick(words)
  if (random.once(40)) return `${name}: one\r\n${random.pick([' ', '\t'])}two`
  return `${name}:${random.pick([' ', ' ', '', '  ', '\t'])}${value}`
}

function createBody(random: Random, method: string, isUpgrade: boolean): { readonly headers: readonly string[]; readonly body: Buffer } {
  const hasBody = random.once(method === 'GET' || method === 'HEAD' ? 10 : 2)
  if (!hasBody) return { headers: random.once(method === 'GET' ? 20 : 2) ? ['Content-Length: 0'] : [], body: Buffer.alloc(0) }
  const size = random.pick([1, 5, 100, 5_000, 70_000, 200_000])
  const content = Buffer.alloc(size, 'body\r\n\r\nGET /x HTTP/1.1\r\n')
  const expect = random.once(6) ? [random.pick(['Expect: 100-continue', 'expect: 100-Continue'])] : []
  if (random.once(2)) return { headers: [...expect, `Content-Length: ${content.length}`], body: content }
  const parts: (string | Buffer)[] = []
  for (let at = 0; at < content.length;) {
    const length = Math.min(content.length - at, 1 + random.below(size))
    const extension = random.once(6) ? random.pick([';a=b', ';a="b;c"', '; x', ';ext']) : ''
    const digits = length.toString(16)
    parts.push(`${random.once(3) ? digits.toUpperCase() : digits}${extension}\r\n`, content.subarray(at, at + length), '\r\n')
    at += length
  }
  const trailers = random.once(4) ? 'X-Sum: 42\r\nX-Name: Jörg\r\n' : ''
  parts.push(`0\r\n${trailers}\r\n`)
  if (random.once(40)) parts.splice(random.below(parts.length), 1, random.pick(['zz\r\n', '', '-1\r\n', '5\n', ' 5\r\n', '5;\rx\r\n']))
  // Node.js does not look at the encoding of a request that it upgrades, where RFC 9112 has it refuse most of these.
  const encoding =
    !isUpgrade && random.once(30) ? random.pick(['gzip, chunked', 'Chunked', 'chunked, chunked', 'chunked, gzip', 'xchunked']) : 'chunked'
  return {
    headers: [...expect, `Transfer-Encoding: ${encoding}`, ...(trailers ? ['Trailer: X-Sum'] : [])],
    body: Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))),
  }
}

/** What no client sends that means well. */
function spoil(lines: string[], random: Random): void {
  const line = random.pick([
    'Content-Length: 5\r\nContent-Length: 6',
    'Content-Length: 5\r\nContent-Length: 5',
    'Content-Length: 5\r\nTransfer-Encoding: chunked',
    'Content-Length: 5, 5',
    'Content-Length: +5',
    'Content-Length: -1',
    'Content-Length:',
    'Content-Length : 5',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'Content_Length: 3',
    'X-Bare: a\rb',
    'X-Null: a\0b',
    'No colon here',
    ': no name',
    'Bad Name: x',
    ' leading: space',
  ])
  lines.splice(1 + random.below(lines.length), 0, line)
}

function cut(bytes: Buffer, random: Random): Conversation['pieces'] {
  const pieces: { bytes: Buffer; wait: number }[] = []
  const longest = random.pick([3, 20, 200, 100_000, 1_000_000])
  for (let at = 0; at < bytes.length;) {
    // Not too many of them.
    const length = 1 + random.below(Math.max(longest, bytes.length / 40))
    pieces.push({ bytes: bytes.subarray(at, at + length), wait: random.once(4) ? random.below(4) : 0 })
    at += length
  }
  return pieces
}
