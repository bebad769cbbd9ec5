import type { Socket } from 'node:net'

/**
 * Breaks a connection so that the other end sees it, after what was written before. One whose end is being sent is broken after that:
 * Node.js (24.21) would refuse with EINVAL, as libuv's uv_tcp_close_reset does, and never close the socket, which keeps the whole process
 * from ending.
 */
export function reset(socket: Socket): void {
  if (socket.destroyed) return
  const { writable, writableEnded, writableFinished, writableLength } = socket
  if (writableEnded && !writableFinished && writableLength === 0) socket.once('finish', () => socket.resetAndDestroy())
  else if (writable && writableLength > 0) socket.write('', () => reset(socket))
  else socket.resetAndDestroy()
}
