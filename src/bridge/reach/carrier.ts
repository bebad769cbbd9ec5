import { once } from 'node:events'
import { type Socket, connect } from 'node:net'

/** A connection that this machine has opened to a relay; relay/main.go says what passes there. */
export interface Carrier {
  readonly socket: Socket
  /** What the relay says next, without the sign; rejects when that is a refusal, and when the connection has ended. */
  read(): Promise<string>
}

/** @param words what it is for */
export async function openCarrier({ port, token }: { readonly port: number; readonly token: string }, words: string): Promise<Carrier> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 })
  await once(socket, 'connect')
  // Whoever reads sees that it has ended.
  socket.on('error', () => {})
  socket.write(`${token} ${words}\n`)
  return { socket, read: () => readLine(socket) }
}

/** What comes after the line stays in the socket. */
async function readLine(socket: Socket): Promise<string> {
  let text = Buffer.alloc(0)
  for (;;) {
    const chunk = socket.read() as Buffer | null
    if (!chunk) {
      if (socket.readableEnded || socket.destroyed) throw new Error('The relay has closed the connection.')
      await nextOf(socket, ['readable', 'end', 'close'])
      continue
    }
    text = Buffer.concat([text, chunk])
    const end = text.indexOf('\n')
    if (end < 0) continue
    if (end + 1 < text.length) socket.unshift(text.subarray(end + 1))
    const line = text.toString('utf8', 0, end)
    if (line.startsWith('-')) throw new Error(line.slice(1))
    return line.replace(/^\+/, '')
  }
}

async function nextOf(socket: Socket, events: readonly string[]): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      for (const event of events) socket.off(event, done)
      resolve()
    }
    for (const event of events) socket.on(event, done)
  })
}
