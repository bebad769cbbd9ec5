import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds that answers under way get to finish when what serves them ends. */
const grace = 1_000

/** Closes connections as soon as nothing is under way on them, and all of them after a second. */
export async function drain(
  sockets: { readonly size: number; keys(): Iterable<Socket> },
  isBusy: (socket: Socket) => boolean,
): Promise<void> {
  const patience = AbortSignal.timeout(grace)
  while (!patience.aborted && sockets.size > 0) {
    for (const socket of sockets.keys()) if (!isBusy(socket)) socket.destroy()
    await sleep(5)
  }
  for (const socket of sockets.keys()) socket.destroy()
}
