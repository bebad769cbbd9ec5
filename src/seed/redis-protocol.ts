/** The words of a line as redis-cli reads it: `"…"` with \n, \r, \t, \b, \a, \xhh and \", `'…'` with \'. Undefined for a quote that is not closed. */
export function parseCommand(line: string): Buffer[] | undefined {
  const words: Buffer[] = []
  for (let at = skip(line, 0); at < line.length; at = skip(line, at)) {
    const quote = line[at]
    const word = quote === '"' || quote === "'" ? readQuoted(line, at, quote) : readPlain(line, at)
    if (!word || (word.end < line.length && skip(line, word.end) === word.end)) return undefined
    words.push(word.value)
    at = word.end
  }
  return words
}

interface Word {
  readonly value: Buffer
  readonly end: number
}

const blanks = /\s*/y
const plainRun = /\S+/y
// One class of characters, and not a group: a group takes room on the stack for each turn.
const runs = { '"': /[^"\\]*/y, "'": /[^'\\]*/y }

function skip(line: string, at: number): number {
  return at + match(line, at, blanks).length
}

function match(line: string, at: number, expression: RegExp): string {
  expression.lastIndex = at
  return expression.exec(line)?.[0] ?? ''
}

function readPlain(line: string, at: number): Word {
  const value = match(line, at, plainRun)
  return { value: Buffer.from(value), end: at + value.length }
}

function readQuoted(line: string, start: number, quote: '"' | "'"): Word | undefined {
  const parts: Buffer[] = []
  for (let at = start + 1; at < line.length;) {
    const run = match(line, at, runs[quote])
    parts.push(Buffer.from(run))
    at += run.length
    if (line[at] === quote) return { value: Buffer.concat(parts), end: at + 1 }
    const escape = match(line, at, quote === '"' ? /\\(?:x[\da-fA-F]{2}|.)/y : /\\'?/y)
    if (escape === '') return undefined
    parts.push(quote === '"' ? unescape(escape) : Buffer.from(escape === String.raw`\'` ? "'" : escape))
    at += escape.length
  }
  return undefined
}

const escapes: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 }

function unescape(escape: string): Buffer {
  if (escape.length === 4) return Buffer.from([Number.parseInt(escape.slice(2), 16)])
  const byte = escapes[escape[1]!]
  return byte === undefined ? Buffer.from(escape.slice(1)) : Buffer.from([byte])
}

/** A command as an array of bulk strings (RESP). */
export function encodeCommand(words: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => [Buffer.from(`$${Buffer.byteLength(word)}\r\n`), Buffer.from(word), Buffer.from('\r\n')]),
  ])
}

export interface RedisReply {
  /** What Redis says went wrong. */
  readonly error?: string
}

/** The replies of a connection (RESP 2), of which only errors are of interest. */
export async function* readReplies(source: AsyncIterable<Buffer>): AsyncGenerator<RedisReply> {
  const chunks = source[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  const more = async () => {
    const next = await chunks.next()
    if (next.done) return false
    rest = rest.length === 0 ? next.value : Buffer.concat([rest, next.value])
    return true
  }
  const readLine = async (): Promise<string | undefined> => {
    for (;;) {
      const end = rest.indexOf('\r\n')
      if (end >= 0) {
        const line = rest.toString('utf8', 0, end)
        rest = rest.subarray(end + 2)
        return line
      }
      if (!(await more())) return undefined
    }
  }
  const readOne = async (): Promise<RedisReply | undefined> => {
    const line = await readLine()
    if (line === undefined) return undefined
    const kind = line[0]
    if (kind === '-') return { error: line.slice(1) }
    if (kind === '$') {
      const length = Number(line.slice(1))
      while (length >= 0 && rest.length < length + 2) if (!(await more())) return undefined
      if (length >= 0) rest = rest.subarray(length + 2)
    }
    if (kind !== '*') return {}
    let error: RedisReply = {}
    for (let count = Number(line.slice(1)); count > 0; count--) {
      const each = await readOne()
      if (!each) return undefined
      if (each.error !== undefined) error = each
    }
    return error
  }
  for (let reply = await readOne(); reply; reply = await readOne()) yield reply
}
