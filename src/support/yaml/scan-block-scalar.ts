import { type Cursor, YamlError, breaks, charAt, columnOf, isBlank, isBreak, take, takeBreak } from './cursor.ts'

const header = /[|>](?:[+-][1-9]?|[1-9][+-]?)?/y
const restOfLine = new RegExp(`[^${breaks}]*`, 'y')
const blanksAndComment = new RegExp(`[ \\t]*(?:#[^${breaks}]*)?`, 'y')

/**
 * A scalar behind `|` or `>`.
 * @param parent column of the collection that it stands in, -1 for none
 */
export function scanBlockScalar(cursor: Cursor, parent: number): string {
  const indicators = take(cursor, header)
  take(cursor, blanksAndComment)
  if (isBreak(charAt(cursor))) takeBreak(cursor)
  else if (charAt(cursor) !== '')
    throw new YamlError(`"${indicators}" is followed by text that is neither +, - nor a number from 1 to 9`, cursor.line)
  const given = Number(/\d/.exec(indicators)?.[0] ?? 0)
  const leading = takeIndent(cursor, given === 0 ? 0 : Math.max(parent, 0) + given, parent)
  const { indent } = leading
  const parts: string[] = []
  let last = ''
  let { empty } = leading
  let wasDeeper = false
  while (columnOf(cursor) === indent && charAt(cursor) !== '') {
    const isDeeper = isBlank(charAt(cursor))
    const isFolded = indicators.startsWith('>') && !wasDeeper && !isDeeper && last === '\n'
    parts.push(isFolded ? (empty === '' ? ' ' : '') : last, empty, take(cursor, restOfLine))
    wasDeeper = isDeeper
    last = charAt(cursor) === '' ? '' : takeBreak(cursor)
    empty = takeIndent(cursor, indent, parent).empty
  }
  if (!indicators.includes('-')) parts.push(last)
  if (indicators.includes('+')) parts.push(empty)
  return parts.join('')
}

/** Takes empty lines and the indentation of the next one; an indent of 0 is found out. */
function takeIndent(cursor: Cursor, indent: number, parent: number): { readonly indent: number; readonly empty: string } {
  const isWithin = () => indent === 0 || columnOf(cursor) < indent
  let empty = ''
  let deepest = 0
  for (;;) {
    while (isWithin() && charAt(cursor) === ' ') cursor.at++
    deepest = Math.max(deepest, columnOf(cursor))
    if (isWithin() && charAt(cursor) === '\t') throw new YamlError('a tab stands where lines are indented', cursor.line)
    if (!isBreak(charAt(cursor))) return { indent: indent || Math.max(deepest, parent + 1, 1), empty }
    empty += takeBreak(cursor)
  }
}
