import { isUtf8 } from 'node:buffer'

import { lineFeed } from './copy-rows.ts'

/** One statement, as it stands in a script. */
export interface Scanned {
  /** Without the closing semicolon. */
  readonly text: string
  /** 1-based, where the statement starts. */
  readonly line: number
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

/** A script while it is read, block by block, with a place that moves through it. */
export interface SqlScript {
  /** The block that is there: one character for each byte, since what a scan looks for is ASCII. */
  readonly text: string
  at: number
  /** Whether there are no more blocks. */
  isOver: boolean
  /** Takes the next block, of whole lines. `line` is where it begins, unless it goes on where the last one ended. */
  feed(block: Buffer, line?: number): void
  lineAt(position: number): number
  endOfLine(position: number): number
  decode(from: number, to: number): string
  /** Goes behind the next match, or to the end of the block. */
  find(pattern: RegExp): RegExpExecArray | undefined
  /** The same for a text. False where this block does not have it. */
  skipTo(end: string): boolean
  /** A statement begins here. */
  begin(): void
  /** Where it goes on in this block. */
  readonly start: number
  take(end: number): Scanned
  /** What is left of the block behind this line, and where that begins. */
  takeRest(): { readonly line: number; readonly bytes: Buffer }
}

export function createSqlScript(): SqlScript {
  let bytes: Buffer = Buffer.alloc(0)
  let text = ''
  /** The line of the place `counted`. */
  let line = 1
  let counted = 0
  /** What earlier blocks had of the statement; undefined between statements. */
  let parts: Uint8Array[] | undefined
  let start = 0
  let startLine = 1

  const script: SqlScript = {
    ...{ at: 0, isOver: false },
    get text() {
      return text
    },
    get start() {
      return start
    },
    feed(block: Buffer, nextLine = script.lineAt(bytes.length)) {
      parts?.push(bytes.subarray(start))
      line = nextLine
      const isMarked = line === 1 && block.subarray(0, byteOrderMark.length).equals(byteOrderMark)
      bytes = isMarked ? block.subarray(byteOrderMark.length) : block
      text = bytes.toString('latin1')
      script.at = start = counted = 0
    },
    lineAt(position: number) {
      for (let feed = text.indexOf('\n', counted); feed >= 0 && feed < position; feed = text.indexOf('\n', feed + 1)) line++
      counted = Math.max(counted, position)
      return line
    },
    endOfLine: (position: number) => text.indexOf('\n', position) + 1 || bytes.length,
    decode: (from: number, to: number) => bytes.toString('utf8', from, to),
    find(pattern: RegExp) {
      pattern.lastIndex = script.at
      const found = pattern.exec(text) ?? undefined
      script.at = found ? pattern.lastIndex : bytes.length
      return found
    },
    skipTo(end: string) {
      const found = text.indexOf(end, script.at)
      script.at = found < 0 ? text.length : found + end.length
      return found >= 0
    },
    begin() {
      parts = []
      start = script.at
      startLine = script.lineAt(start)
    },
    take(end: number) {
      const statement = Buffer.concat([...(parts ?? []), bytes.subarray(start, end)])
      parts = undefined
      return { text: decodeStatement(statement, startLine).trimEnd(), line: startLine }
    },
    takeRest() {
      const from = script.endOfLine(script.at)
      script.at = bytes.length
      return { line: script.lineAt(from), bytes: bytes.subarray(from) }
    },
  }
  return script
}

/** What some editors begin a file with. */
const byteOrderMark = Buffer.from('\ufeff')
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeStatement(statement: Buffer, line: number): string {
  try {
    return utf8.decode(statement)
  } catch {
    for (let end = statement.indexOf(lineFeed); end >= 0 && isUtf8(statement.subarray(0, end)); end = statement.indexOf(lineFeed, end + 1))
      line++
    throw new SqlSyntaxError(line, 'This is not UTF-8.', 'Save it as UTF-8, or dump with "pg_dump --encoding=UTF8 --file=…".')
  }
}
