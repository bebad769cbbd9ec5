import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Sends one message as one line. */
export function sendMessage(socket: Socket, message: unknown): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
}

/** The messages that arrive, until the connection ends. */
export async function* readMessages<T>(socket: Socket): AsyncGenerator<T> {
  for await (const line of createInterface({ input: socket })) yield JSON.parse(line) as T
}
