/** The words of a line as redis-cli reads it: `"…"` with \n, \r, \t, \b, \a, \xhh and \", `'…'` with \'. Undefined for a quote that is not closed. */
export function parseCommand(line: string): Buffer[] | undefined {
  const words: Buffer[] = []
  let at = 0
  while (at < line.length) {
    if (/\s/.test(line[at]!)) {
      at++
      continue
    }
    const word = /^(?:"((?:\\.|[^"\\])*)"|'((?:\\'|[^'])*)'|([^\s"']\S*))(?=\s|$)/.exec(line.slice(at))
    if (!word) return undefined
    const [all, double, single, plain] = word
    words.push(double === undefined ? Buffer.from(single?.replaceAll(String.raw`\'`, "'") ?? plain!) : unescape(double))
    at += all.length
  }
  return words
}

function unescape(text: string): Buffer {
  const escapes: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 }
  const parts = text.split(/(\\x[0-9a-fA-F]{2}|\\.)/)
  return Buffer.concat(
    parts.map((part) => {
      if (!part.startsWith('\\')) return Buffer.from(part)
      if (part.length === 4) return Buffer.from([Number.parseInt(part.slice(2), 16)])
      const byte = escapes[part[1]!]
      return byte !== undefined ? Buffer.from([byte]) : Buffer.from(part.slice(1))
    }),
  )
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
