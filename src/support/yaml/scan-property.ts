import { type Cursor, YamlError, charAt, isGap, take } from './cursor.ts'

const nameRun = /[\w-]+/y
const handle = /!(?:[\w-]*!)?/y
const uriRun = /(?:[\w\-;/?:@&=+$,.!~*'()[\]]|%[\da-fA-F]{2})+/y

/** The name behind `&` or `*`. */
export function scanName(cursor: Cursor): string {
  const sign = charAt(cursor)
  cursor.at++
  const name = take(cursor, nameRun)
  const next = charAt(cursor)
  if (name === '' || !(isGap(next) || '?:,]}%@`'.includes(next)))
    throw new YamlError(
      sign === '*'
        ? `"*" begins the name of an anchor, and "${name}${next}" is none: put text that begins with "*" in quotes`
        : `"&" is not followed by a name of letters, digits, "-" and "_": put text that begins with "&" in quotes`,
      cursor.line,
    )
  return name
}

/** A tag in its long form, or `!`. */
export function scanTag(cursor: Cursor): string {
  const tag = takeTag(cursor)
  if (!isGap(charAt(cursor))) throw new YamlError(`tag "${tag}" is followed by "${charAt(cursor)}" instead of a space`, cursor.line)
  return tag
}

function takeTag(cursor: Cursor): string {
  const { line } = cursor
  const failed = () => new YamlError('"!" begins a tag that is none: put text that begins with "!" in quotes', line)
  if (charAt(cursor, 1) === '<') {
    cursor.at += 2
    const tag = decode(take(cursor, uriRun))
    if (tag === undefined || tag === '' || charAt(cursor) !== '>') throw failed()
    cursor.at++
    return tag
  }
  const prefix = take(cursor, handle)
  const suffix = decode(take(cursor, uriRun))
  if (suffix === undefined || (prefix !== '!' && suffix === '')) throw failed()
  if (prefix === '!') return `!${suffix}`
  if (prefix === '!!') return `tag:yaml.org,2002:${suffix}`
  throw new YamlError(`tag handle "${prefix}" is not defined`, line)
}

function decode(uri: string): string | undefined {
  try {
    return decodeURIComponent(uri)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
