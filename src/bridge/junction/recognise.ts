import { METHODS } from 'node:http'

import type { Source } from './source.ts'

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** Milliseconds for the rest of a first line that may be one of HTTP/1, or not. */
const patience = 1_000

/** Bytes of a first line. */
const maxLine = 64 << 10

/**
 * Looks at the first bytes of a connection and leaves them there.
 * @param quiet milliseconds for the first byte
 */
export async function recognise(source: Source, quiet: number): Promise<'http1' | 'http2' | 'other' | 'silent'> {
  const started = performance.now()
  while (true) {
    const start = source.take()
    if (start) source.unread(start)
    const kind = start ? kindOf(start.toString('latin1', 0, maxLine)) : 'unknown'
    if (kind === 'http1' || kind === 'http2' || kind === 'other') return kind
    if (source.hasEnded) return 'other'
    // What has begun as HTTP is not sent to anybody before it is known where it goes.
    const rest = kind === 'begun' ? undefined : (start ? patience : quiet) - (performance.now() - started)
    if (rest !== undefined && rest <= 0) return start ? 'other' : 'silent'
    await within(source.more(), rest)
  }
}

/** `begun` where it can hardly become anything but HTTP, `unknown` where it can become that and others. */
export function kindOf(start: string): 'http1' | 'http2' | 'other' | 'begun' | 'unknown' {
  if (start.startsWith(preface)) return 'http2'
  if (preface.startsWith(start) && start.length > 2) return 'begun'
  // A caller may end its last request on another connection by an empty line too many.
  const line = start.replace(/^(?:\r?\n)+/, '')
  const [, method = '', rest] = /^([!#-'*+.^_`|~\w-]*)( [^]*)?/.exec(line)!
  if (rest === undefined) {
    if (method.length < line.length || method.length > 32) return 'other'
    return METHODS.some((each) => each.startsWith(method)) && method !== '' ? 'begun' : 'unknown'
  }
  if (METHODS.includes(method) && /^ +(?:\/|\*|https?:)/i.test(rest)) return 'http1'
  const end = rest.indexOf('\n')
  if (end >= 0) return / HTTP\/1\.\d\r?$/.test(rest.slice(0, end)) ? 'http1' : 'other'
  return start.length < maxLine ? 'unknown' : 'other'
}

async function within(wanted: Promise<void>, time: number | undefined): Promise<void> {
  if (time === undefined) return wanted
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, time)
  await Promise.race([wanted, promise])
  clearTimeout(timer)
}
