import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

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
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
      return port
    } catch (error) {
      given.delete(port)
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    } finally {
      server.close()
    }
  }
}
