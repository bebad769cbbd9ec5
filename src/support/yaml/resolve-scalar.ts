import { isUtf8 } from 'node:buffer'

import { YamlError } from './cursor.ts'
import type { ScalarNode } from './nodes.ts'

/** What a scalar is: integers are bigints, and any other number is a floating-point one. */
export type Scalar = string | boolean | bigint | number | null

const prefix = 'tag:yaml.org,2002:'

/**
 * Reads a scalar as Go's yaml.v2 does: `yes`, `off` and the like are booleans, `0644` is octal, and a number that has too many
 * digits for 64 bits, or an exponent that no double has, is text.
 */
export function resolveScalar({ value, tag, isImplicit, line }: ScalarNode): Scalar {
  if (tag === undefined || tag === '!') return isImplicit && tag === undefined ? resolvePlain(value) : value
  if (!tag.startsWith(prefix)) return value
  const type = tag.slice(prefix.length)
  if (type === 'binary') return decodeBase64(value, line)
  if (type === 'str') return value
  const resolved = resolvePlain(value)
  if (type === 'float' && typeof resolved === 'bigint' && resolved < 2n ** 63n) return Number(resolved)
  if (type === 'timestamp' && isTimestamp(value)) return value
  if (!['bool', 'int', 'float', 'null', 'timestamp'].includes(type)) return value
  if (typeOf(resolved) !== type) throw new YamlError(`"${value}" is no !!${type}`, line)
  return resolved
}

function typeOf(value: Scalar): string {
  if (value === null) return 'null'
  return { bigint: 'int', number: 'float', boolean: 'bool' }[typeof value as string] ?? 'str'
}

function resolvePlain(text: string): Scalar {
  if (/^(?:|~|null|Null|NULL)$/.test(text)) return null
  if (/^(?:[yY]|yes|Yes|YES|true|True|TRUE|on|On|ON)$/.test(text)) return true
  if (/^(?:[nN]|no|No|NO|false|False|FALSE|off|Off|OFF)$/.test(text)) return false
  const special = /^(?:([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/.exec(text)
  if (special) return special[1] === undefined ? Number.NaN : special[1] === '-' ? -Infinity : Infinity
  if (/^\d/.test(text) || /^[-+]/.test(text)) return toInteger(text.replaceAll('_', '')) ?? toFloat(text.replaceAll('_', '')) ?? text
  // Go takes underscores between digits only.
  return text.startsWith('.') && !/^_|_(?!\d)|(?<!\d)_/.test(text) ? (toFloat(text.replaceAll('_', '')) ?? text) : text
}

/** As strconv.ParseInt and ParseUint read it with base 0; go-yaml adds binary digits with a sign of their own. */
function toInteger(text: string): bigint | undefined {
  const found = /^([-+]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/.exec(text.replace(/^0b([-+])(?=[01])/, '$10b'))
  if (!found) return undefined
  const [, sign, digits = ''] = found
  const size = BigInt(digits.replace(/^0[oO]?(?=[0-7])/, '0o'))
  const value = sign === '-' ? -size : size
  // With a sign it has 63 bits.
  return value >= -(2n ** 63n) && value < (sign === '' ? 2n ** 64n : 2n ** 63n) ? value : undefined
}

function toFloat(text: string): number | undefined {
  const value = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(text) ? Number(text) : undefined
  return value !== undefined && Number.isFinite(value) ? value : undefined
}

function isTimestamp(text: string): boolean {
  return /^\d{4}-\d\d?-\d\d?(?:$|[Tt ])/.test(text) && !Number.isNaN(Date.parse(text.replace(/^(\d{4})-(\d)(?=-)/, '$1-0$2')))
}

function decodeBase64(text: string, line: number): string {
  const packed = text.replaceAll(/[\r\n]/g, '')
  if (packed.length % 4 !== 0 || !/^[A-Za-z\d+/]*={0,2}$/.test(packed)) throw new YamlError('a !!binary value is no base64', line)
  return decodeAsGo(Buffer.from(packed, 'base64'))
}

/** As encoding/json writes text: each byte that belongs to no character is a replacement character of its own. Node.js has one for several. */
function decodeAsGo(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const size = [1, 2, 3, 4].find((each) => at + each <= bytes.length && isUtf8(bytes.subarray(at, at + each)))
    text += size === undefined ? '\uFFFD' : bytes.toString('utf8', at, at + size)
    at += size ?? 1
  }
  return text
}
