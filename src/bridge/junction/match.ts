import { ClusterTestError } from '../../support/errors.ts'

/** Exact text, text that ends in `*` for any end, or a pattern. */
export type TextMatch = string | RegExp

/** A request to look for: what is left out may be anything. */
export interface ExpectedRequest {
  /** In any case: `'POST'`. */
  readonly method?: string | undefined
  /** Path without query: exact, with a trailing `*` for any end, or a pattern. */
  readonly path?: TextMatch | undefined
  /** Values by name, in any case; as `path`. */
  readonly headers?: Readonly<Record<string, TextMatch>> | undefined
}

/** Which requests a bridge is for: every part has to fit. */
export interface RequestMatch extends ExpectedRequest {
  /** Of a body of up to 64 KiB: longer ones, and those that take longer than a second to arrive, do not match and pass unchanged. */
  readonly body?: TextMatch | undefined
}

/** Bytes of a body that are read before it is decided where a request goes. */
export const bodyLimit = 65_536

export interface RequestHead {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** Whether method, path and headers fit. */
export function matchesHead({ method, url, headers }: RequestHead, expected: ExpectedRequest): boolean {
  return (
    (expected.method === undefined || expected.method.toUpperCase() === method) &&
    (expected.path === undefined || matchesText(url.split('?')[0]!, expected.path)) &&
    Object.entries(expected.headers ?? {}).every(([name, value]) => {
      const actual = headers[name.toLowerCase()]
      return actual !== undefined && matchesText(String(actual), value)
    })
  )
}

export function matchesText(text: string, expected: TextMatch): boolean {
  if (typeof expected !== 'string') return expected.test(text)
  return expected.endsWith('*') ? text.startsWith(expected.slice(0, -1)) : text === expected
}

/** Whether one request could match both, as far as can be told: of two patterns that cannot. No match at all is for every request. */
export function canOverlap(some: readonly RequestMatch[] | undefined, others: readonly RequestMatch[] | undefined): boolean {
  if (!some || !others) return true
  return some.some((one) => others.some((other) => canBothMatch(one, other)))
}

function canBothMatch(one: RequestMatch, other: RequestMatch): boolean {
  const headers = lowerCased(other.headers)
  const pairs: [TextMatch | undefined, TextMatch | undefined][] = [
    [one.method?.toUpperCase(), other.method?.toUpperCase()],
    [one.path, other.path],
    [one.body, other.body],
    ...Object.entries(lowerCased(one.headers)).map(([name, value]): [TextMatch, TextMatch | undefined] => [value, headers[name]]),
  ]
  return pairs.every(([a, b]) => a === undefined || b === undefined || canBothFit(a, b))
}

function canBothFit(a: TextMatch, b: TextMatch): boolean {
  if (typeof a !== 'string') return typeof b !== 'string' || canBothFit(b, a)
  if (typeof b !== 'string') return a.endsWith('*') || b.test(a)
  if (!a.endsWith('*')) return matchesText(a, b)
  return b.endsWith('*') ? a.startsWith(b.slice(0, -1)) || b.startsWith(a.slice(0, -1)) : matchesText(b, a)
}

function lowerCased(headers: ExpectedRequest['headers'] = {}): Readonly<Record<string, TextMatch>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

/** `POST /orders* with x-user: ann`, for messages. */
export function describeMatch(match: readonly RequestMatch[] | undefined): string {
  if (!match) return 'every request'
  return match
    .map(({ method = 'any method', path = 'any path', headers = {}, body }) => {
      const parts = [
        ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
        ...(body === undefined ? [] : [`body ${body}`]),
      ]
      return `${method} ${path}${parts.length > 0 ? ` with ${parts.join(', ')}` : ''}`
    })
    .join(' or ')
}

/** Patterns as JSON has them. */
export type SentMatch = Readonly<Record<string, unknown>>

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` that names the part which cannot be meant */
export function encodeMatch(match: RequestMatch | readonly RequestMatch[]): readonly SentMatch[] {
  const list: readonly unknown[] = Array.isArray(match) ? match : [match]
  if (list.length === 0) throw invalid('match', 'a request to match, or an array of them', match)
  return list.map((each, index) => encodeOne(each, Array.isArray(match) ? `match[${index}]` : 'match'))
}

function encodeOne(match: unknown, option: string): SentMatch {
  if (typeof match !== 'object' || match === null) throw invalid(option, 'an object', match)
  const { method, path, headers, body, ...rest } = match as { [Key in keyof RequestMatch]?: unknown }
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`${option}\` of a bridge has no key "${unknown}".`, {
      hint: 'Its keys are method, path, headers and body.',
    })
  if (method !== undefined && !(typeof method === 'string' && /^[a-z-]+$/i.test(method)))
    throw invalid(`${option}.method`, 'an HTTP method', method)
  if (path !== undefined && !isText(path, /^[/*]/)) throw invalid(`${option}.path`, 'a path that starts with "/", or a RegExp', path)
  if (body !== undefined && !isText(body)) throw invalid(`${option}.body`, 'text or a RegExp', body)
  if (headers !== undefined && (typeof headers !== 'object' || headers === null))
    throw invalid(`${option}.headers`, 'an object from names to text or a RegExp', headers)
  for (const [name, value] of Object.entries(headers ?? {}))
    if (!isText(value)) throw invalid(`${option}.headers["${name}"]`, 'text or a RegExp', value)
  if (method === undefined && path === undefined && body === undefined && Object.keys(headers ?? {}).length === 0)
    throw invalid(option, 'an object with a method, a path, headers or a body', match)
  return {
    method,
    path: encodeText(path),
    body: encodeText(body),
    headers: headers && Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, encodeText(value)])),
  }
}

function isText(value: unknown, start = /^/): value is TextMatch {
  return value instanceof RegExp || (typeof value === 'string' && start.test(value))
}

/** `g` and `y` would make a pattern remember where it was. */
function encodeText(text: TextMatch | undefined): unknown {
  return text instanceof RegExp ? { source: text.source, flags: text.flags.replaceAll(/[gy]/g, '') } : text
}

export function decodeMatch(sent: readonly SentMatch[]): readonly RequestMatch[] {
  return sent.map(({ method, path, headers, body }) => ({
    method: method as string | undefined,
    path: decodeText(path),
    body: decodeText(body),
    headers: headers ? Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, decodeText(value)!])) : undefined,
  }))
}

function decodeText(text: unknown): TextMatch | undefined {
  if (typeof text !== 'object' || text === null) return text as string | undefined
  const { source, flags } = text as { source: string; flags: string }
  return new RegExp(source, flags)
}

function invalid(option: string, expected: string, value: unknown): ClusterTestError {
  return new ClusterTestError(
    'ERR_OPTIONS_INVALID',
    `Expected option \`${option}\` of a bridge to be ${expected}, got ${JSON.stringify(value) ?? String(value)}.`,
  )
}
