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
  const lines = readLines(source)
  const scanner = createScanner()
  let number = 0
  let lineNumber = 0
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    lineNumber++
    const line = next.value
    if (scanner.isIdle() && line.startsWith('\\')) {
      if (/^\\(un)?restrict\b/.test(line)) continue
      throw new SqlSyntaxError(lineNumber, `"${line.trim()}" is a command of psql, not SQL.`)
    }
    for (const { text, startedAt } of scanner.scan(line, lineNumber)) {
      number++
      if (!/^COPY\s.*\sFROM\s+STDIN\b/is.test(text)) {
        yield { text, line: startedAt, number }
        continue
      }
      const copy = readCopyData(lines, () => lineNumber++)
      yield { text, line: startedAt, number, data: copy }
      // Whoever did not read the rows would otherwise have them taken for statements.
      for await (const _ of copy) continue
    }
  }
  const rest = scanner.end()
  if (rest) yield { text: rest.text, line: rest.startedAt, number: number + 1 }
}

async function* readCopyData(lines: AsyncIterator<string>, onLine: () => void): AsyncGenerator<string> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    onLine()
    if (next.value.trimEnd() === '\\.') return
    yield `${next.value}\n`
  }
}

/** Lines without their line feeds, which may be within strings. A file may end without one. */
async function* readLines(source: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of source) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    yield* lines
  }
  if (rest) yield rest
}

interface Scanned {
  readonly text: string
  readonly startedAt: number
}

const isRoutine = /^create\s+(?:or\s+replace\s+)?(?:function|procedure)\s/i

function createScanner() {
  /** The statement so far, from its first character that is no space. A flag instead of a look at the text: statements can be megabytes. */
  let text = ''
  let hasBegun = false
  /** The last two characters: to ask `text` for them would copy it, since V8 keeps what is appended to in pieces. */
  let tail = ''
  let startedAt = 0
  /** What the scan is inside of: the text that ends it, or the depth of a comment. */
  let until: string | undefined
  let escapes = false
  let depth = 0

  /** Open parentheses, and blocks of a routine's body in standard SQL: both keep their semicolons, as psql has it. */
  let parentheses = 0
  let blocks = 0

  /** What may begin something in plain text. */
  const special = /'|"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|--|\/\*|[;()]|\b(?:begin|case|end)\b/gi

  function* scan(line: string, lineNumber: number): Generator<Scanned> {
    let at = 0
    const take = (end: number) => {
      const piece = hasBegun ? line.slice(at, end) : line.slice(at, end).trimStart()
      at = end
      if (piece === '') return
      if (!hasBegun) startedAt = lineNumber
      hasBegun = true
      text += piece
      tail = (tail + piece.slice(-2)).slice(-2)
    }
    while (at < line.length) {
      if (depth > 0) {
        const mark = /\/\*|\*\//g
        mark.lastIndex = at
        const found = mark.exec(line)
        depth += found ? (found[0] === '/*' ? 1 : -1) : 0
        const end = found ? found.index + 2 : line.length
        if (hasBegun) take(end)
        else at = end
      } else if (until !== undefined) {
        const end = endOfQuote(line, at, until, escapes)
        take(end ?? line.length)
        if (end !== undefined) until = undefined
      } else {
        special.lastIndex = at
        const found = special.exec(line)
        if (!found) {
          take(line.length)
          break
        }
        const mark = found[0]
        const isInName = mark.startsWith('$') && found.index > at && /[\w$\u0080-\uffff]/.test(line[found.index - 1]!)
        take(found.index)
        if (mark === '--') break
        if (mark === '/*') {
          depth = 1
          if (hasBegun) take(at + 2)
          else at += 2
        } else if (mark === ';' && parentheses === 0 && blocks === 0) {
          at++
          if (hasBegun) yield { text: text.trimEnd(), startedAt }
          text = ''
          tail = ''
          hasBegun = false
        } else if (/^[;()\w]/.test(mark)) {
          if (mark === '(') parentheses++
          if (mark === ')') parentheses = Math.max(0, parentheses - 1)
          const opens = /^begin$/i.test(mark) ? isRoutine.test(text.slice(0, 80)) : /^case$/i.test(mark) && blocks > 0
          if (opens) blocks++
          else if (/^end$/i.test(mark)) blocks = Math.max(0, blocks - 1)
          take(at + mark.length)
        } else {
          if (!isInName) until = mark
          escapes = mark === "'" && /^[^\w$]?E$/i.test(tail)
          take(at + mark.length)
        }
      }
    }
    if (!hasBegun) return
    text += '\n'
    tail = '\n'
  }

  return {
    scan,
    isIdle: () => !hasBegun && until === undefined && depth === 0,
    end: (): Scanned | undefined => (hasBegun ? { text: text.trimEnd(), startedAt } : undefined),
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
