import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import type { Readable, Writable } from 'node:stream'

import type { Endpoint } from '../rules/endpoint.ts'

export async function dial(endpoint: () => Promise<Endpoint>): Promise<Socket | undefined> {
  try {
    const socket = connect({ ...(await endpoint()), allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return socket
  } catch {
    // The caller's connection ends as it would without a bridge when nobody listens.
    return undefined
  }
}

/** Two connections as one. */
export function splice(inside: Socket, outside: Socket, copies: readonly Endpoint[]): void {
  const copied = copies.map((endpoint) => startCopy(connect({ ...endpoint, noDelay: true })))
  inside.on('data', (chunk: Buffer) => offer(copied, chunk))
  inside.once('end', () => copied.forEach((copy) => copy.end()))
  inside.once('close', () => {
    for (const each of [outside, ...copied]) each.destroy()
  })
  outside.on('error', () => inside.destroy())
  outside.once('close', () => inside.destroySoon())
  inside.pipe(outside).pipe(inside)
}

/** Bytes that a copy may lag behind before it is given up: the real way is never delayed. */
const copyLimit = 4 << 20

/** Nobody waits for what a copy's receiver answers, nor minds that it fails. */
export function startCopy<Copy extends Writable & Partial<Pick<Readable, 'resume'>>>(copy: Copy): Copy {
  copy.on('error', () => {})
  copy.resume?.()
  return copy
}

function offer(copies: readonly Writable[], chunk: Buffer): void {
  for (const copy of copies) {
    if (copy.destroyed) continue
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
