import { lineFeed, readRows } from './copy-rows.ts'
import { scanStatements } from './scan-statements.ts'
import { type Scanned, createSqlScript } from './sql-script.ts'

/** One statement of an SQL file. */
export interface SqlStatement extends Scanned {
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

/**
 * Splits PostgreSQL scripts into statements while they are read: plain ones and what pg_dump writes, COPY data included.
 * Holds one statement in memory, never the file. Strings, quoted names, dollar quotes and nested comments keep their semicolons.
 * @throws SqlSyntaxError for psql's own commands (`\connect`), except those that pg_dump 17.6 frames its output with (`\restrict`),
 * and for statements that are not UTF-8
 */
export async function* splitStatements(source: AsyncIterable<Uint8Array>): AsyncGenerator<SqlStatement> {
  const blocks = readBlocks(source)
  const script = createSqlScript()
  let number = 0
  for (const found of scanStatements(script)) {
    if (!found) {
      const block = await blocks.next()
      if (block.done) script.isOver = true
      else script.feed(block.value)
      continue
    }
    if (!/^COPY\s.*\sFROM\s+STDIN\b/is.test(found.text)) {
      yield { ...found, number: ++number }
      continue
    }
    const { line, bytes } = script.takeRest()
    const rows = readRows(bytes, blocks, (rest, lines) => script.feed(rest, line + lines))
    yield { ...found, number: ++number, data: { line, rows } }
    // Whoever did not read the rows would otherwise have them taken for statements.
    for await (const _ of rows) continue
  }
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
