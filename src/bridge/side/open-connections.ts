// Nothing but Node.js' own modules: this is loaded into other people's processes.
import type net from 'node:net'

/** The connections of this process to a cluster. */
export interface OpenConnections {
  track(socket: net.Socket): void
  /** Whether they have been ended, and no new ones are wanted. */
  readonly areOver: boolean
  /** Ends them as a server does that is stopped. */
  end(): void
}

/**
 * A database that goes with the cluster would be an error that nobody catches in code with a pool of its own: a pool without a listener
 * for `error` throws where its idle connection ends. So connections end before their server does, one by one, and what that throws is
 * nobody's concern any more: whoever holds them has seen that they have gone.
 */
export function createOpenConnections(): OpenConnections {
  const open = new Set<net.Socket>()
  let areOver = false
  return {
    get areOver() {
      return areOver
    },
    track(socket) {
      if (areOver) silence(socket)
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    },
    end() {
      areOver = true
      for (const socket of open) {
        silence(socket)
        if (socket.readable && !socket.readableEnded) socket.push(null)
        // Some clients listen for the end only, and some for the close.
        process.nextTick(() => socket.destroy())
      }
    },
  }
}

/** An event `error` without a listener throws within the event of the socket that has led to it. */
function silence(socket: net.Socket): void {
  const emit = socket.emit.bind(socket) as (...event: unknown[]) => boolean
  socket.emit = (...event: unknown[]) => {
    try {
      return emit(...event)
    } catch {
      return true
    }
  }
}
