import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Sends one message as one line. */
export function sendMessage(socket: Socket, message: unknown): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
}

/** The messages that arrive, until the connection ends. Whoever sends something else is cut off. */
export async function* readMessages<T>(socket: Socket): AsyncGenerator<T> {
  const lines = createInterface({ input: socket })
  // A socket that is destroyed on this side emits no "end".
  socket.once('close', () => lines.close())
  for await (const line of lines) {
    const message = parse<T>(line)
    if (message === undefined) return void socket.destroy()
    yield message
  }
}

function parse<T>(line: string): T | undefined {
  try {
    return JSON.parse(line) as T
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
