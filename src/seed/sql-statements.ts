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

/** Lines without their ends. A file may end without one. */
async function* readLines(source: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of source) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line
  }
  if (rest) yield rest
}

interface Scanned {
  readonly text: string
  readonly startedAt: number
}

function createScanner() {
  let text = ''
  let startedAt = 0
  /** What the scan is inside of: the text that ends it, or the depth of a comment. */
  let until: string | undefined
  let escapes = false
  let depth = 0

  /** What may begin something in plain text, and the rest that may not. */
  const special = /'|"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|--|\/\*|;/g

  function* scan(line: string, lineNumber: number): Generator<Scanned> {
    let at = 0
    const take = (end: number) => {
      if (text.trim() === '') {
        text = ''
        startedAt = lineNumber
      }
      text += line.slice(at, end)
      at = end
    }
    while (at < line.length) {
      if (depth > 0) {
        const mark = /\/\*|\*\//g
        mark.lastIndex = at
        const found = mark.exec(line)
        depth += found ? (found[0] === '/*' ? 1 : -1) : 0
        const end = found ? found.index + 2 : line.length
        if (text.trim() === '') at = end
        else take(end)
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
        const isInName = mark.startsWith('$') && /[\w$\u0080-\uffff]$/.test(line.slice(at, found.index))
        take(found.index)
        if (mark === '--') break
        if (mark === '/*') {
          depth = 1
          if (text.trim() === '') at += 2
          else take(at + 2)
        } else if (mark === ';') {
          at++
          if (text.trim() !== '') yield { text: text.trim(), startedAt }
          text = ''
        } else {
          if (!isInName) until = mark
          escapes = mark === "'" && /(?:^|[^\w$])E$/i.test(text)
          take(at + mark.length)
        }
      }
    }
    if (text !== '') text += '\n'
  }

  return {
    scan,
    isIdle: () => text.trim() === '' && until === undefined && depth === 0,
    end: (): Scanned | undefined => (text.trim() === '' ? undefined : { text: text.trim(), startedAt }),
  }
}

/** Behind the closing quote; a doubled quote closes and opens again, which comes to the same. */
function endOfQuote(line: string, at: number, quote: string, escapes: boolean): number | undefined {
  for (let index = at; index < line.length; index++) {
    if (escapes && line[index] === '\\') index++
    else if (line.startsWith(quote, index)) {
      if (quote === "'" && line[index + 1] === "'") index++
      else return index + quote.length
    }
  }
  return undefined
}
