import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import { reset } from '../../support/reset-socket.ts'

/** That answers under way get to finish when what serves them ends: about a second, and longer where the machine is so busy that they take longer. */
const steps = 200

/** Closes connections as soon as nothing is under way on them, and all of them after a while. */
export async function drain(
  sockets: { readonly size: number; keys(): Iterable<Socket> },
  isBusy: (socket: Socket) => boolean,
): Promise<void> {
  for (let step = 0; step < steps && sockets.size > 0; step++) {
    // What has arrived while the machine was busy comes after a timer.
    await nextTurn()
    for (const socket of sockets.keys()) if (!isBusy(socket)) socket.destroy()
    await sleep(5)
  }
  // Half of an answer is not to look like all of it.
  for (const socket of sockets.keys()) reset(socket)
}
