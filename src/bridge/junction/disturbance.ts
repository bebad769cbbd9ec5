import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { reset } from '../../support/reset-socket.ts'
import { type Source, next, passEnd, write } from './source.ts'

/** What becomes of requests, or of the connections of other protocols, instead of what should. */
export interface Disturbance {
  /** Milliseconds before it goes on. */
  readonly delay: number
  /** Answered in place of the workload. */
  readonly status: number | undefined
  /** Whether nobody answers. */
  readonly hang: boolean
  /** Bytes of an answer after which the connection breaks: of its body, or of another protocol. 0 for at once. */
  readonly resetAfter: number | undefined
  /** Bytes of answers, per second. */
  readonly bandwidth: number | undefined
  /** Aborted when it ends: what waits goes on, and what hangs is reset. */
  readonly ended: AbortSignal
}

/** The parts of a disturbance that can be sent to where it happens. */
export type SentDisturbance = Omit<Disturbance, 'ended'>

/** What happens in place of an answer; undefined where it goes on. */
export type Instead = { readonly kind: 'status'; readonly status: number } | { readonly kind: 'reset' } | undefined

/** Something that a caller waits on: a connection, or a stream of one. */
interface Waiting {
  readonly destroyed: boolean
  once(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
}

/** Holds a request up for as long as the disturbance says, or until its caller goes. */
export async function holdUp(disturbance: Disturbance | undefined, caller: Waiting): Promise<Instead> {
  if (!disturbance || disturbance.ended.aborted) return undefined
  const { delay, status, hang, resetAfter, ended } = disturbance
  if (delay > 0 || hang) await until(hang ? undefined : delay, ended, caller)
  if (hang || caller.destroyed) return { kind: 'reset' }
  if (ended.aborted) return undefined
  if (resetAfter === 0) return { kind: 'reset' }
  return status === undefined ? undefined : { kind: 'status', status }
}

async function until(delay: number | undefined, ended: AbortSignal, caller: Waiting): Promise<void> {
  if (caller.destroyed) return
  const gone = new AbortController()
  const leave = () => gone.abort()
  caller.once('close', leave)
  const signal = AbortSignal.any([ended, gone.signal])
  const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  await (delay === undefined ? over : sleep(delay, undefined, { signal }).catch(() => 'it is over'))
  caller.off('close', leave)
}

/** Passes bytes of one answer on, at the pace and as far as the disturbance allows. Resolves to false when it is to break off. */
export type Pace = (bytes: Buffer, give: (bytes: Buffer) => Promise<void>) => Promise<boolean>

/** Milliseconds between two slices of what is slow. */
const beat = 50

export function createPace(disturbance: Disturbance | undefined): Pace {
  let left = disturbance?.resetAfter ?? Infinity
  return async (bytes, give) => {
    const allowed = disturbance?.ended.aborted ? bytes : bytes.subarray(0, left)
    left -= allowed.length
    for (let rest = allowed; rest.length > 0;) rest = rest.subarray(await passSlice(rest, disturbance, give))
    return allowed.length === bytes.length
  }
}

async function passSlice(bytes: Buffer, disturbance: Disturbance | undefined, give: (bytes: Buffer) => Promise<void>): Promise<number> {
  const { bandwidth, ended } = disturbance ?? {}
  const isSlow = bandwidth !== undefined && !ended!.aborted
  const slice = isSlow ? bytes.subarray(0, Math.max(1, Math.floor((bandwidth * beat) / 1_000))) : bytes
  if (isSlow) await sleep((slice.length / bandwidth) * 1_000, undefined, { signal: ended! }).catch(() => 'it is over')
  await give(slice)
  return slice.length
}

/** All that is to come of a connection, as far as it may. */
export async function pourPaced(source: Source, to: Socket, pace: Pace): Promise<void> {
  for (let bytes = await next(source); bytes; bytes = await next(source)) {
    if (await pace(bytes, (some) => write(to, some))) continue
    for (const each of [source.socket, to]) reset(each)
    return
  }
  passEnd(source, to)
}

/** An answer of HTTP/1 that nobody gave but the disturbance. */
export function statusAnswer(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Disturbed'}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
}
