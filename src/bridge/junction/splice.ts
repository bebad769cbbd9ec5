import { connect } from 'node:net'
import type { Readable, Writable } from 'node:stream'

import type { Endpoint } from '../rules/endpoint.ts'
import { type Pace, createPace, pourPaced } from './disturbance.ts'
import { type Source, breakWith, pour } from './source.ts'

/** Two connections as one: what comes, and how it ends. What comes back is passed at `pace`. */
export async function splice(
  inside: Source,
  outside: Source,
  copies: readonly Endpoint[],
  pace: Pace = createPace(undefined),
): Promise<void> {
  const copied = copies.map((endpoint) => startCopy(connect({ ...endpoint, noDelay: true })))
  breakWith(inside.socket, () => [outside.socket])
  inside.socket.once('close', () => copied.forEach((copy) => copy.destroy()))
  await Promise.all([
    pour(inside, outside.socket, (bytes) => offer(copied, bytes)).then(() => copied.forEach((copy) => copy.end())),
    pourPaced(outside, inside.socket, pace),
  ])
}

/** Bytes that a copy may lag behind before it is given up: the real way is never delayed. */
const copyLimit = 4 << 20

/** Nobody waits for what a copy's receiver answers, nor minds that it fails. */
export function startCopy<Copy extends Writable & Partial<Pick<Readable, 'resume'>>>(copy: Copy): Copy {
  copy.on('error', () => {})
  copy.resume?.()
  return copy
}

export function offer(copies: readonly Writable[], chunk: Buffer): void {
  for (const copy of copies) {
    if (copy.destroyed || copy.writableEnded) continue
    if (copy.writableLength > copyLimit) copy.destroy()
    else copy.write(chunk)
  }
}

/** At the pace of the one who answers; its copies take what they can. `onEnd` is called when all of it has been written. */
export function sendBody(body: Readable, sent: Writable, copies: readonly Writable[], onEnd: () => void): void {
  body.on('data', (chunk: Buffer) => {
    offer(copies, chunk)
    if (sent.destroyed || sent.write(chunk)) return
    body.pause()
    sent.once('drain', () => body.resume())
  })
  // What nobody takes any more is read on, so that the caller gets to reading the answer.
  sent.once('close', () => body.resume())
  // An empty one of HTTP/2 ends by itself.
  if (body.readableEnded) onEnd()
  else body.once('end', onEnd)
}
