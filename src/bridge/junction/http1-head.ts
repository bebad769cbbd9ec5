import { isUtf8 } from 'node:buffer'

import type { RequestHead } from './match.ts'
import { type Source, next } from './source.ts'

/** How the end of a body is told. */
export type Framing = 'none' | 'chunked' | 'until-end' | { readonly length: number }

export interface Http1Request extends RequestHead {
  readonly framing: Framing
  /** Whether what its caller sends after it belongs to it: such requests have no framing that tells their end. */
  readonly ownsConnection: boolean
  /** Whether it wants to speak something else, and what. */
  readonly upgrade: string | undefined
  readonly waitsForContinue: boolean
}

export interface Http1Answer {
  readonly status: number
  readonly framing: Framing
  /** Whether its connection is for nothing else after it. */
  readonly isLast: boolean
}

/** Bytes of a head, as Node.js' option `maxHeaderSize` has it for servers that are told to take long ones. */
const maxHeadSize = 1 << 20

export type ReadHead = { readonly bytes: Buffer; readonly end: 'complete' | 'too long' | 'cut off' }

/** Reads up to the empty line after a head, and nothing of what follows. Empty lines before it belong to it. */
export async function readHead(source: Source): Promise<ReadHead> {
  const parts: Buffer[] = []
  let size = 0
  let lineLength = 0
  let lastByte = 0
  let hasBegun = false
  while (size <= maxHeadSize) {
    const bytes = await next(source)
    if (!bytes) return { bytes: Buffer.concat(parts), end: 'cut off' }
    let start = 0
    for (let lf = bytes.indexOf(10); lf >= 0; lf = bytes.indexOf(10, start)) {
      const length = lineLength + lf - start
      const isEmpty = length === 0 || (length === 1 && (lf > start ? bytes[lf - 1] : lastByte) === 13)
      start = lf + 1
      lineLength = 0
      hasBegun ||= !isEmpty
      if (!isEmpty || !hasBegun) continue
      source.unread(bytes.subarray(start))
      return { bytes: Buffer.concat([...parts, bytes.subarray(0, start)]), end: 'complete' }
    }
    lineLength += bytes.length - start
    lastByte = bytes.at(-1)!
    parts.push(bytes)
    size += bytes.length
  }
  return { bytes: Buffer.concat(parts), end: 'too long' }
}

/** undefined for what no server takes, and for what two servers could take for two different things. */
export function parseRequest(bytes: Buffer): Http1Request | undefined {
  const lines = linesOf(bytes)
  const fields = lines && fieldsOf(lines)
  const start = lines && startOf(lines[0]!)
  if (!fields || !start) return undefined
  const { method, url, version } = start
  const headers: Record<string, string> = {}
  for (const [name, value] of fields)
    headers[name] = headers[name] === undefined ? value : `${headers[name]}${name === 'cookie' ? '; ' : ', '}${value}`
  const framing = framingOf(fields)
  // Of these, some servers would take the length and others the chunks.
  if (!framing || framing === 'until-end' || (framing === 'chunked' && headers['content-length'] !== undefined)) return undefined
  const connection = tokensOf(headers['connection'])
  return {
    method,
    url,
    headers,
    framing: method === 'CONNECT' || framing === 'absent' ? 'none' : framing,
    ownsConnection: method === 'CONNECT' || (version === '1.0' && (framing === 'chunked' || !connection.includes('keep-alive'))),
    upgrade: connection.includes('upgrade') ? headers['upgrade'] : undefined,
    waitsForContinue: headers['expect']?.toLowerCase() === '100-continue',
  }
}

function startOf(line: string): { readonly method: string; readonly url: string; readonly version: string } | undefined {
  const first = line.indexOf(' ')
  const last = line.lastIndexOf(' ')
  const method = line.slice(0, Math.max(first, 0))
  const url = line.slice(first, last).trim()
  const version = /^HTTP\/(\d\.\d)$/.exec(line.slice(last + 1))?.[1]
  return isToken(method) && url !== '' && version ? { method, url, version } : undefined
}

/** undefined for what is no answer. */
export function parseAnswer(bytes: Buffer, method: string): Http1Answer | undefined {
  const lines = linesOf(bytes)
  const [, version, code] = (lines && /^HTTP\/1\.(\d) +(\d{3})(?: .*)?$/s.exec(lines[0]!)) ?? []
  const fields = lines && fieldsOf(lines)
  if (!fields || code === undefined) return undefined
  const status = Number(code)
  const told = framingOf(fields)
  const connection = tokensOf(valuesOf(fields, 'connection').join())
  const isBodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304 || (method === 'CONNECT' && status < 300)
  if (!told && !isBodiless) return undefined
  const framing = isBodiless ? 'none' : told === 'absent' ? 'until-end' : told!
  return {
    status,
    framing,
    isLast:
      framing === 'until-end' ||
      connection.includes('close') ||
      (version === '0' && !connection.includes('keep-alive')) ||
      (framing === 'chunked' && valuesOf(fields, 'content-length').length > 0),
  }
}

/** RFC 9113 has given h2c by upgrade up, and it would hide all later requests of the connection: it is not offered on. */
export function withoutH2c(bytes: Buffer, { upgrade = '' }: Http1Request): Buffer {
  if (!tokensOf(upgrade).includes('h2c')) return bytes
  const text = bytes
    .toString('latin1')
    .replaceAll(/^(?:upgrade|http2-settings):.*\r?\n/gim, '')
    .replaceAll(/^(connection: *)(.*?)(\r?\n)/gim, (_, name: string, value: string, end: string) => {
      const kept = value.split(',').filter((token) => !/^\s*(?:upgrade|http2-settings)\s*$/i.test(token))
      return kept.length > 0 ? name + kept.join(',').trim() + end : ''
    })
  return Buffer.from(text, 'latin1')
}

type Fields = readonly (readonly [name: string, value: string])[]

/** undefined where bytes are in it that end a line for some, and for others do not. */
function linesOf(bytes: Buffer): readonly string[] | undefined {
  const text = bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1')
  if (/\0|\r(?!\n)/.test(text)) return undefined
  return text
    .replace(/^[\r\n]+/, '')
    .replaceAll(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)
    .slice(0, -2)
}

/** undefined where a name that matters is written so that some see it and others do not. */
function fieldsOf([, ...lines]: readonly string[]): Fields | undefined {
  const fields: [string, string][] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = (colon < 0 ? line : line.slice(0, colon)).toLowerCase()
    if (colon > 0 && isToken(name)) fields.push([name, line.slice(colon + 1).replaceAll(/^[ \t]+|[ \t]+$/g, '')])
    else if (/content.?length|transfer.?encoding/.test(name)) return undefined
  }
  return fields
}

/** undefined where it cannot be told. */
function framingOf(fields: Fields): Framing | 'absent' | undefined {
  const encodings = valuesOf(fields, 'transfer-encoding')
  if (encodings.length > 0) {
    const tokens = tokensOf(encodings.join())
    if (tokens.indexOf('chunked') === tokens.length - 1) return 'chunked'
    return tokens.includes('chunked') ? undefined : 'until-end'
  }
  const lengths = new Set(valuesOf(fields, 'content-length'))
  if (lengths.size === 0) return 'absent'
  const [length = ''] = lengths
  return lengths.size === 1 && /^\d{1,15}$/.test(length) ? { length: Number(length) } : undefined
}

function isToken(text: string): boolean {
  return /^[!#-'*+.^_`|~\w-]+$/.test(text)
}

function valuesOf(fields: Fields, name: string): readonly string[] {
  return fields.flatMap(([own, value]) => (own === name ? [value] : []))
}

function tokensOf(value = ''): readonly string[] {
  return value.split(',').map((token) => token.trim().toLowerCase())
}
