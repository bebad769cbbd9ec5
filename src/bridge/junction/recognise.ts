import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/**
 * Looks at the first bytes of a connection and leaves them there.
 * @param patience milliseconds for the first byte
 */
export async function recognise(socket: Socket, patience: number): Promise<'http1' | 'http2' | 'other' | 'silent'> {
  const deadline = performance.now() + patience
  let last = -1
  while (true) {
    if (socket.readableLength > last && socket.readableLength > 0) {
      const start = socket.read() as Buffer
      socket.unshift(start)
      last = start.length
      if (start.subarray(0, preface.length).equals(preface)) return 'http2'
      if (/^[A-Z][A-Z-]{0,19} (?:\/|\*|https?:)/.test(start.toString('latin1', 0, 32))) return 'http1'
      const isBeginning = preface.subarray(0, start.length).equals(start) || /^[A-Z][A-Z-]{0,19} ?$/.test(start.toString('latin1', 0, 32))
      if (!isBeginning) return 'other'
    }
    const rest = deadline - performance.now()
    if (socket.readableEnded || socket.destroyed) return 'other'
    if (rest <= 0) return last < 0 ? 'silent' : 'other'
    await waitForMore(socket, rest)
  }
}

async function waitForMore(socket: Socket, patience: number): Promise<void> {
  const stop = new AbortController()
  const { signal } = stop
  const events = ['readable', 'end', 'close'].map((event) => once(socket, event, { signal }))
  try {
    await Promise.race([...events, sleep(patience, undefined, { signal })])
  } finally {
    stop.abort()
    await Promise.allSettled(events)
  }
}
