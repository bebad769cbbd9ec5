import { type Cursor, YamlError, breaks, charAt, columnOf, isAtDocumentMark, isBlank, isBreak, isGap, take, takeBreak } from './cursor.ts'

const plainRun = new RegExp(`[^: \\t${breaks}]+`, 'y')
const plainRunInFlow = new RegExp(`[^:,?[\\]{} \\t${breaks}]+`, 'y')
const singleQuotedRun = new RegExp(`[^' \\t${breaks}]+`, 'y')
const doubleQuotedRun = new RegExp(`[^"\\\\ \\t${breaks}]+`, 'y')

/** Where a plain scalar stands. */
export interface PlainContext {
  /** The least column of its further lines, outside of brackets. */
  readonly indent: number
  readonly isInFlow: boolean
}

/** A scalar without quotes, and whether a line break follows it. */
export function scanPlain(cursor: Cursor, context: PlainContext): { readonly value: string; readonly endsLine: boolean } {
  const parts: string[] = []
  let gap = emptyGap
  while (!isAtDocumentMark(cursor) && charAt(cursor) !== '#') {
    const run = takePlainRun(cursor, context.isInFlow)
    if (run !== '') {
      parts.push(fold(gap), run)
      gap = emptyGap
    }
    if (!isBlank(charAt(cursor)) && !isBreak(charAt(cursor))) break
    gap = takeGap(cursor, gap, context.indent)
    if (!context.isInFlow && columnOf(cursor) < context.indent) break
  }
  return { value: parts.join(''), endsLine: gap.first !== undefined }
}

function takePlainRun(cursor: Cursor, isInFlow: boolean): string {
  let run = ''
  for (;;) {
    run += take(cursor, isInFlow ? plainRunInFlow : plainRun)
    if (charAt(cursor) !== ':' || isGap(charAt(cursor, 1))) return run
    run += ':'
    cursor.at++
  }
}

/** A scalar in quotes. */
export function scanQuoted(cursor: Cursor): string {
  const quote = charAt(cursor)
  const { line } = cursor
  cursor.at++
  const parts: string[] = []
  for (;;) {
    if (isAtDocumentMark(cursor))
      throw new YamlError(`a line with ${cursor.text.slice(cursor.at, cursor.at + 3)} stands within quotes`, cursor.line)
    if (charAt(cursor) === '') throw new YamlError(`the quote ${quote} is not closed`, line)
    const isJoined = quote === "'" ? takeSingleQuoted(cursor, parts) : takeDoubleQuoted(cursor, parts)
    if (charAt(cursor) === quote) break
    parts.push(fold(takeGap(cursor, isJoined ? { ...emptyGap, first: '' } : emptyGap)))
  }
  cursor.at++
  return parts.join('')
}

function takeSingleQuoted(cursor: Cursor, parts: string[]): false {
  for (;;) {
    parts.push(take(cursor, singleQuotedRun))
    if (charAt(cursor) !== "'" || charAt(cursor, 1) !== "'") return false
    parts.push("'")
    cursor.at += 2
  }
}

/** Up to a gap or the closing quote. True where a backslash takes the line break away. */
function takeDoubleQuoted(cursor: Cursor, parts: string[]): boolean {
  for (;;) {
    parts.push(take(cursor, doubleQuotedRun))
    if (charAt(cursor) !== '\\') return false
    cursor.at++
    if (isBreak(charAt(cursor))) {
      takeBreak(cursor)
      return true
    }
    parts.push(takeEscape(cursor))
  }
}

const escapes: Readonly<Record<string, string>> = {
  ...{ '0': '\0', a: '\x07', b: '\b', t: '\t', '\t': '\t', n: '\n', v: '\v', f: '\f', r: '\r', e: '\x1b' },
  ...{ ' ': ' ', '"': '"', "'": "'", '\\': '\\', N: '\x85', _: '\xa0', L: '\u2028', P: '\u2029' },
}
const hexEscapes: Readonly<Record<string, RegExp>> = { x: /[\da-fA-F]{2}/y, u: /[\da-fA-F]{4}/y, U: /[\da-fA-F]{8}/y }

function takeEscape(cursor: Cursor): string {
  const char = charAt(cursor)
  cursor.at++
  if (Object.hasOwn(escapes, char)) return escapes[char]!
  if (!Object.hasOwn(hexEscapes, char)) throw new YamlError(`"\\${char}" is no escape sequence of YAML`, cursor.line)
  const digits = take(cursor, hexEscapes[char]!)
  const code = Number.parseInt(digits, 16)
  if (digits === '') throw new YamlError(`"\\${char}" is not followed by enough hexadecimal digits`, cursor.line)
  if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) throw new YamlError(`"\\${char}${digits}" is no character`, cursor.line)
  return String.fromCodePoint(code)
}

/** Blanks and line breaks within a scalar. */
interface Gap {
  readonly blanks: string
  /** The first line break; blanks do not count any more then. */
  readonly first: string | undefined
  readonly more: string
}

const emptyGap: Gap = { blanks: '', first: undefined, more: '' }

/** @param indent columns in front of which a line of a plain scalar must have no tab */
function takeGap(cursor: Cursor, { blanks, first, more }: Gap, indent = 0): Gap {
  for (;;) {
    const char = charAt(cursor)
    if (isBlank(char)) {
      if (first === undefined) blanks += char
      else if (char === '\t' && columnOf(cursor) < indent) throw new YamlError('a tab stands where lines are indented', cursor.line)
      cursor.at++
    } else if (isBreak(char)) {
      const taken = takeBreak(cursor)
      if (first === undefined) first = taken
      else more += taken
    } else return { blanks, first, more }
  }
}

/** One line break is a space, and one less of several. */
function fold({ blanks, first, more }: Gap): string {
  if (first === undefined) return blanks
  return first === '\n' ? more || ' ' : first + more
}
