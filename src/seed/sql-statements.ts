import { isUtf8 } from 'node:buffer'

import { lineFeed, readRows } from './copy-rows.ts'

/** One statement of an SQL file. */
export interface SqlStatement {
  /** Without the closing semicolon. */
  readonly text: string
  /** 1-based, where the statement starts. */
  readonly line: number
  /** 1-based, in the file. */
  readonly number: number
  /** Rows of a `COPY … FROM stdin`: to be read to the end before the next statement. */
  readonly data?: CopyData | undefined
}

export interface CopyData {
  /** 1-based, of the first row. */
  readonly line: number
  readonly rows: AsyncIterable<Uint8Array>
}

/** What is in the file and cannot be sent to a server, at a place of the file. */
export class SqlSyntaxError extends Error {
  readonly line: number
  readonly hint: string

  constructor(line: number, message: string, hint: string) {
    super(message)
    this.line = line
    this.hint = hint
  }
}

/**
 * Splits PostgreSQL scripts into statements while they are read: plain ones and what pg_dump writes, COPY data included.
 * Holds one statement in memory, never the file. Strings, quoted names, dollar quotes and nested comments keep their semicolons.
 * @throws SqlSyntaxError for psql's own commands (`\connect`), except those that pg_dump 17.6 frames its output with (`\restrict`),
 * and for statements that are not UTF-8
 */
export async function* splitStatements(source: AsyncIterable<Uint8Array>): AsyncGenerator<SqlStatement> {
  const blocks = readBlocks(source)
  const scanner = createScanner()
  let number = 0
  for (let block = await blocks.next(); !block.done; block = await blocks.next()) {
    scanner.feed(block.value)
    for (let found = scanner.next(); found; found = scanner.next()) {
      if (!/^COPY\s.*\sFROM\s+STDIN\b/is.test(found.text)) {
        yield { ...found, number: ++number }
        continue
      }
      const { line, bytes } = scanner.takeRest()
      const rows = readRows(bytes, blocks, (rest, lines) => scanner.feed(rest, line + lines))
      yield { ...found, number: ++number, data: { line, rows } }
      // Whoever did not read the rows would otherwise have them taken for statements.
      for await (const _ of rows) continue
    }
  }
  const rest = scanner.end()
  if (rest) yield { ...rest, number: number + 1 }
}

/** Blocks of whole lines, so of whole characters. The last one ends with a line feed of its own if the file does not. */
async function* readBlocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Uint8Array[] = []
  for await (const chunk of source) {
    const end = chunk.lastIndexOf(lineFeed) + 1
    if (end > 0) yield Buffer.concat([...rest, chunk.subarray(0, end)])
    if (end > 0) rest = []
    if (end < chunk.length) rest.push(chunk.subarray(end))
  }
  if (rest.length > 0) yield Buffer.concat([...rest, Buffer.from('\n')])
}

interface Scanned {
  readonly text: string
  readonly line: number
}

/** What may begin something within a statement. */
const special = /['"$;()]|--|\/\*/g
/** In a routine's body also the words that keep its semicolons, as psql has it. */
const specialInRoutine = /['"$;()]|--|\/\*|\b(?:begin|case|end)\b/gi
const isRoutine = /^create\s+(?:or\s+replace\s+)?(?:function|procedure)\s/i
const dollarQuote = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const notSpace = /\S/g

function createScanner() {
  let bytes: Buffer = Buffer.alloc(0)
  /** The same, one character for each byte: what the scan looks for is ASCII. */
  let block = ''
  let at = 0
  /** The line of `counted`. */
  let line = 1
  let counted = 0
  /** The statement so far: what earlier blocks had of it, and where it goes on in this one. */
  let parts: Uint8Array[] = []
  let hasBegun = false
  let start = 0
  let startLine = 1
  let marks = special
  /** What the scan is inside of: the text that ends it, or the depth of a comment. */
  let until: string | undefined
  let escapes = false
  let depth = 0
  /** Open parentheses, and blocks of a routine's body in standard SQL: both keep their semicolons. */
  let parentheses = 0
  let bodies = 0

  const lineAt = (position: number) => {
    for (let feed = block.indexOf('\n', counted); feed >= 0 && feed < position; feed = block.indexOf('\n', feed + 1)) line++
    counted = Math.max(counted, position)
    return line
  }

  /** `nextLine` is where the block begins, unless it goes on where the last one ended. */
  const feed = (next: Buffer, nextLine = lineAt(block.length)) => {
    if (hasBegun) parts.push(bytes.subarray(start))
    line = nextLine
    const isMarked = line === 1 && next.subarray(0, byteOrderMark.length).equals(byteOrderMark)
    bytes = isMarked ? next.subarray(byteOrderMark.length) : next
    block = bytes.toString('latin1')
    at = start = counted = 0
  }

  const endOfLine = (position: number) => block.indexOf('\n', position) + 1 || block.length

  /** Goes to the first character of a statement. */
  const begin = (): boolean => {
    while (depth === 0) {
      notSpace.lastIndex = at
      const first = notSpace.exec(block)?.index ?? block.length
      at = first
      if (first === block.length) return false
      if (block.startsWith('--', first)) at = endOfLine(first)
      else if (block.startsWith('/*', first)) skipComment()
      else if (block[first] === '\\' && (first === 0 || block[first - 1] === '\n')) {
        at = endOfLine(first)
        const text = bytes.toString('utf8', first, at).trim()
        if (!/^\\(un)?restrict\b/.test(text))
          throw new SqlSyntaxError(
            lineAt(first),
            `"${text}" is a command of psql, not SQL.`,
            'Dump with "pg_dump --no-owner" and without psql commands.',
          )
      } else {
        hasBegun = true
        start = first
        startLine = lineAt(first)
        marks = isRoutine.test(block.slice(first, first + 80)) ? specialInRoutine : special
        return true
      }
    }
    return false
  }

  /** Comments nest. */
  const skipComment = () => {
    const mark = /\/\*|\*\//g
    mark.lastIndex = at
    do {
      const found = mark.exec(block)
      depth += found ? (found[0] === '/*' ? 1 : -1) : 0
      at = found ? found.index + 2 : block.length
      if (!found) return
    } while (depth > 0)
  }

  const take = (end: number): Scanned => {
    const statement = Buffer.concat([...parts, bytes.subarray(start, end)])
    parts = []
    hasBegun = false
    return { text: decode(statement, startLine).trimEnd(), line: startLine }
  }

  const next = (): Scanned | undefined => {
    while (at < block.length) {
      if (depth > 0) skipComment()
      else if (until !== undefined) {
        const end = endOfQuote(block, at, until, escapes)
        at = end ?? block.length
        if (end !== undefined) until = undefined
      } else if (hasBegun || begin()) {
        marks.lastIndex = at
        const found = marks.exec(block)
        if (!found) {
          at = block.length
          break
        }
        const mark = found[0]
        at = found.index + mark.length
        if (mark === ';' && parentheses === 0 && bodies === 0) return take(found.index)
        if (mark === '(') parentheses++
        else if (mark === ')') parentheses = Math.max(0, parentheses - 1)
        else if (mark === '--') at = endOfLine(at)
        else if (mark === '/*') {
          at = found.index
          skipComment()
        } else if (mark === "'" || mark === '"') {
          until = mark
          escapes = mark === "'" && /(?:^|[^\w$])E$/i.test(block.slice(Math.max(start, found.index - 2), found.index))
        } else if (mark === '$') beginDollarQuote(found.index)
        else if (/^begin$/i.test(mark) || (/^case$/i.test(mark) && bodies > 0)) bodies++
        else if (/^end$/i.test(mark)) bodies = Math.max(0, bodies - 1)
      }
    }
    return undefined
  }

  const beginDollarQuote = (position: number) => {
    dollarQuote.lastIndex = position
    const quote = dollarQuote.exec(block)?.[0]
    const isInName = position > start && /[\w$\u0080-\uffff]/.test(block[position - 1]!)
    if (!quote) return
    at = position + quote.length
    if (!isInName) until = quote
  }

  /** What is left of the block behind the line of the last statement, and where that begins. */
  const takeRest = (): { readonly line: number; readonly bytes: Buffer } => {
    const from = endOfLine(at)
    at = block.length
    return { line: lineAt(from), bytes: bytes.subarray(from) }
  }

  return { feed, next, takeRest, end: (): Scanned | undefined => (hasBegun ? take(block.length) : undefined) }
}

/** What some editors begin a file with. */
const byteOrderMark = Buffer.from('\ufeff')
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(statement: Buffer, line: number): string {
  try {
    return utf8.decode(statement)
  } catch {
    for (let end = statement.indexOf(lineFeed); end >= 0 && isUtf8(statement.subarray(0, end)); end = statement.indexOf(lineFeed, end + 1))
      line++
    throw new SqlSyntaxError(line, 'This is not UTF-8.', 'Save it as UTF-8, or dump with "pg_dump --encoding=UTF8 --file=…".')
  }
}

/** Behind the closing quote; a doubled quote closes and opens again, which comes to the same. */
function endOfQuote(line: string, at: number, quote: string, escapes: boolean): number | undefined {
  if (!escapes) {
    const end = line.indexOf(quote, at)
    return end < 0 ? undefined : end + quote.length
  }
  for (let index = at; index < line.length; index++) {
    if (line[index] === '\\') index++
    else if (line[index] === quote && line[index + 1] === quote) index++
    else if (line[index] === quote) return index + 1
  }
  return undefined
}
