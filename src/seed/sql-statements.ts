/** One statement of an SQL file. */
export interface SqlStatement {
  /** Without the closing semicolon. */
  readonly text: string
  /** 1-based, where the statement starts. */
  readonly line: number
  /** 1-based, in the file. */
  readonly number: number
  /** Rows of a `COPY … FROM stdin`: to be read to the end before the next statement. */
  readonly data?: AsyncIterable<string> | undefined
}

/** What psql understands and a server does not, at a place of the file. */
export class SqlSyntaxError extends Error {
  readonly line: number

  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

/**
 * Splits PostgreSQL scripts into statements while they are read: plain ones and what pg_dump writes, COPY data included.
 * Holds one statement in memory, never the file. Strings, quoted names, dollar quotes and nested comments keep their semicolons.
 * @throws SqlSyntaxError for psql's own commands (`\connect`), except those that pg_dump 17.6 frames its output with (`\restrict`)
 */
export async function* splitStatements(source: AsyncIterable<string>): AsyncGenerator<SqlStatement> {
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
      const data = readCopyData(scanner, blocks)
      yield { ...found, number: ++number, data }
      // Whoever did not read the rows would otherwise have them taken for statements.
      for await (const _ of data) continue
    }
  }
  const rest = scanner.end()
  if (rest) yield { ...rest, number: number + 1 }
}

/** Whole blocks of rows as they lie in the file: what is within them is the server's business. */
async function* readCopyData(scanner: Scanner, blocks: AsyncIterator<string>): AsyncGenerator<string> {
  for (;;) {
    const { rows, isEnd } = scanner.takeRows()
    if (rows) yield rows
    if (isEnd) return
    const next = await blocks.next()
    if (next.done) return
    scanner.feed(next.value)
  }
}

/** Text in blocks of whole lines. The last one ends with a line feed of its own if the file does not. */
async function* readBlocks(source: AsyncIterable<string>): AsyncGenerator<string> {
  let rest: string[] = []
  for await (const chunk of source) {
    const end = chunk.lastIndexOf('\n') + 1
    if (end > 0) yield rest.join('') + chunk.slice(0, end)
    if (end > 0) rest = []
    if (end < chunk.length) rest.push(chunk.slice(end))
  }
  if (rest.length > 0) yield `${rest.join('')}\n`
}

interface Scanned {
  readonly text: string
  readonly line: number
}

type Scanner = ReturnType<typeof createScanner>

/** What may begin something within a statement. */
const special = /['"$;()]|--|\/\*/g
/** In a routine's body also the words that keep its semicolons, as psql has it. */
const specialInRoutine = /['"$;()]|--|\/\*|\b(?:begin|case|end)\b/gi
const isRoutine = /^create\s+(?:or\s+replace\s+)?(?:function|procedure)\s/i
const dollarQuote = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const notSpace = /\S/g

function createScanner() {
  let block = ''
  let at = 0
  /** The line of `counted`. */
  let line = 1
  let counted = 0
  /** The statement so far: what earlier blocks had of it, and where it goes on in this one. */
  let parts: string[] = []
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

  const feed = (next: string) => {
    lineAt(block.length)
    if (hasBegun) parts.push(block.slice(start))
    block = next
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
        const text = block.slice(first, at).trim()
        if (!/^\\(un)?restrict\b/.test(text)) throw new SqlSyntaxError(lineAt(first), `"${text}" is a command of psql, not SQL.`)
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
    const text = parts.join('') + block.slice(start, end)
    parts = []
    hasBegun = false
    return { text: text.trimEnd(), line: startLine }
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

  /** Rows of a COPY, which begin on the line behind its statement, up to the line that ends them. */
  const takeRows = (): { readonly rows: string; readonly isEnd: boolean } => {
    const from = at > 0 && block[at - 1] !== '\n' ? endOfLine(at) : at
    const mark = /^\\\.[ \t\r]*\n/gm
    mark.lastIndex = from
    const end = mark.exec(block)
    at = end ? end.index + end[0].length : block.length
    return { rows: block.slice(from, end?.index ?? block.length), isEnd: end !== null }
  }

  return { feed, next, takeRows, end: (): Scanned | undefined => (hasBegun ? take(block.length) : undefined) }
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
