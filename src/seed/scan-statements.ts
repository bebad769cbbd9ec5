import { type Scanned, type SqlScript, SqlSyntaxError } from './sql-script.ts'

/** What may begin something within a statement. */
const special = /['"$;()]|--|\/\*/g
/** In a routine's body also the words that keep its semicolons, as psql has it. */
const specialInRoutine = /['"$;()]|--|\/\*|\b(?:begin|case|end)\b/gi
const isRoutine = /^create\s+(?:or\s+replace\s+)?(?:function|procedure)\s/i

/** Yields each statement, and undefined where it needs the next block of the script. */
export function* scanStatements(script: SqlScript): Generator<Scanned | undefined, void> {
  while (yield* toStatement(script)) {
    script.begin()
    const marks = isRoutine.test(script.text.slice(script.at, script.at + 80)) ? specialInRoutine : special
    yield script.take(yield* toSemicolon(script, marks))
  }
}

/** Goes to the first character of the next statement, if there is one. */
function* toStatement(script: SqlScript): Generator<undefined, boolean> {
  while (true) {
    const first = script.find(/\S/g)?.index
    if (first === undefined) {
      if (yield* more(script)) continue
      return false
    }
    const { text } = script
    if (text.startsWith('--', first)) script.at = script.endOfLine(first)
    else if (text.startsWith('/*', first)) yield* skipComment(script, first)
    else if (text[first] === '\\' && (first === 0 || text[first - 1] === '\n')) skipCommand(script, first)
    else {
      script.at = first
      return true
    }
  }
}

/** Goes behind the semicolon that ends the statement, and tells where that is. */
function* toSemicolon(script: SqlScript, marks: RegExp): Generator<undefined, number> {
  /** Open parentheses, and blocks of a routine's body in standard SQL: both keep their semicolons. */
  let parentheses = 0
  let bodies = 0
  while (true) {
    const found = script.find(marks)
    if (!found) {
      if (yield* more(script)) continue
      return script.text.length
    }
    const { index } = found
    const mark = found[0].length > 2 ? found[0].toLowerCase() : found[0]
    if (mark === ';' && parentheses === 0 && bodies === 0) return index
    if (mark === '(') parentheses++
    else if (mark === ')') parentheses = Math.max(0, parentheses - 1)
    else if (mark === '--') script.at = script.endOfLine(index)
    else if (mark === '/*') yield* skipComment(script, index)
    else if (mark === "'" && hasEscapes(script, index)) yield* skipEscapes(script)
    else if (mark === "'" || mark === '"') {
      // A doubled quote closes and opens again, which comes to the same.
      while (!script.skipTo(mark)) if (!(yield* more(script))) break
    } else if (mark === '$') yield* skipDollarQuote(script, index)
    else if (mark === 'begin' || (mark === 'case' && bodies > 0)) bodies++
    else if (mark === 'end') bodies = Math.max(0, bodies - 1)
  }
}

/** Whether there is a next block. */
function* more(script: SqlScript): Generator<undefined, boolean> {
  yield undefined
  return !script.isOver
}

/** Whether a quote is that of `E'…'`, and not behind a name that ends with the letter. */
function hasEscapes({ text, start }: SqlScript, position: number): boolean {
  const isE = position > start && (text[position - 1] === 'E' || text[position - 1] === 'e')
  return isE && (position - 1 === start || !/[\w$]/.test(text[position - 2]!))
}

function* skipEscapes(script: SqlScript): Generator<undefined, void> {
  while (true) {
    const found = script.find(/\\[^]|''|'/g)
    if (found?.[0] === "'" || (!found && !(yield* more(script)))) return
  }
}

function* skipDollarQuote(script: SqlScript, position: number): Generator<undefined, void> {
  const pattern = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
  pattern.lastIndex = position
  const quote = pattern.exec(script.text)?.[0]
  if (!quote) return
  script.at = position + quote.length
  const isInName = position > script.start && /[\w$\u0080-\uffff]/.test(script.text[position - 1]!)
  if (isInName) return
  while (!script.skipTo(quote)) if (!(yield* more(script))) return
}

/** Comments nest. */
function* skipComment(script: SqlScript, position: number): Generator<undefined, void> {
  script.at = position
  let depth = 0
  do {
    const mark = script.find(/\/\*|\*\//g)?.[0]
    if (mark) depth += mark === '/*' ? 1 : -1
    else if (!(yield* more(script))) return
  } while (depth > 0)
}

/** Those that pg_dump 17.6 frames its output with mean nothing here. */
function skipCommand(script: SqlScript, position: number): void {
  script.at = script.endOfLine(position)
  const text = script.decode(position, script.at).trim()
  if (/^\\(un)?restrict\b/.test(text)) return
  throw new SqlSyntaxError(
    script.lineAt(position),
    `"${text}" is a psql command, not SQL.`,
    'Create the dump with "pg_dump --no-owner" and without psql commands.',
  )
}
