import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

import { messageOf } from '../../support/errors.ts'

/** Below 32768, where Linux and Docker take ports from for whoever names none (ip_local_port_range, moby's portallocator). */
const range = [25_000, 32_768] as const
const given = new Set<number>()

/**
 * A port of loopback that is free now, and that nobody gets by chance until it is used: k3d's own `random` asks the system for one,
 * closes it, and Docker may give it to another container in between ("port is already allocated").
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...range)
    // A cluster that is being created has not bound its own yet.
    if (given.has(port)) continue
    // Before it is tried: whoever asks meanwhile may find it free again, between this one's look and its return.
    given.add(port)
    if (await isPortFree(port)) return port
    given.delete(port)
  }
}

/** Whether nobody on this machine listens there. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, host), 'listening')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return false
  } finally {
    server.close()
  }
}

/** As Docker says it, of a port of its own and of one of another process. */
export function isPortTaken(error: unknown): boolean {
  return /port is already allocated|address already in use/.test(messageOf(error))
}

/** Which one it is: `Bind for 127.0.0.1:4000 failed: port is already allocated`, `listen tcp4 127.0.0.1:4000: bind: address already in use`. */
export function takenPort(error: unknown): number | undefined {
  const [, port] = isPortTaken(error) ? (/:(\d+)(?: failed: port is already|: bind: address already)/.exec(messageOf(error)) ?? []) : []
  return port === undefined ? undefined : Number(port)
}
