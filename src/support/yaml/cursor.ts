/** A place in a text. Lines are counted from 1, columns from 0. */
export interface Cursor {
  readonly text: string
  at: number
  line: number
  lineStart: number
}

/** What is wrong with a text, and in which line of it. */
export class YamlError extends Error {
  readonly line: number

  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/** The line breaks of YAML 1.1. */
export const breaks = String.raw`\n\r\x85\u2028\u2029`

export function charAt({ text, at }: Cursor, offset = 0): string {
  return text.charAt(at + offset)
}

export function columnOf({ at, lineStart }: Cursor): number {
  return at - lineStart
}

/** A space or a tab. */
export function isBlank(char: string): boolean {
  return char === ' ' || char === '\t'
}

export function isBreak(char: string): boolean {
  return char === '\n' || char === '\r' || char === '\u0085' || char === '\u2028' || char === '\u2029'
}

/** A blank, a break or the end of the text. */
export function isGap(char: string): boolean {
  return char === '' || isBlank(char) || isBreak(char)
}

/** Whether `---` or `...` stands here, alone at the beginning of a line. */
export function isAtDocumentMark(cursor: Cursor): boolean {
  if (columnOf(cursor) !== 0 || !isGap(charAt(cursor, 3))) return false
  const mark = cursor.text.slice(cursor.at, cursor.at + 3)
  return mark === '---' || mark === '...'
}

/** Takes what a sticky expression matches here. */
export function take(cursor: Cursor, expression: RegExp): string {
  expression.lastIndex = cursor.at
  const [found = ''] = expression.exec(cursor.text) ?? []
  cursor.at += found.length
  return found
}

/** Takes a line break, and resolves it to what stands for it in a value. */
export function takeBreak(cursor: Cursor): string {
  const char = charAt(cursor)
  cursor.at += char === '\r' && charAt(cursor, 1) === '\n' ? 2 : 1
  cursor.line++
  cursor.lineStart = cursor.at
  return char === '\u2028' || char === '\u2029' ? char : '\n'
}
