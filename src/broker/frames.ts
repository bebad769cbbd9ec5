import type { Socket } from 'node:net'

/** Bytes of the length that each frame begins with. */
const headerSize = 4

/** Sends bytes as one frame; nothing where the other end is gone. */
export function writeFrame(socket: Socket, content: Buffer): void {
  if (!socket.writable) return
  const header = Buffer.alloc(headerSize)
  header.writeUInt32BE(content.length)
  socket.cork()
  socket.write(header)
  socket.write(content)
  socket.uncork()
}

/**
 * Calls back for each frame that arrives. What has not been asked for stays in the socket, so that memory stays flat. Whoever
 * sends an empty frame, a longer one than `limit`, or half of one is cut off.
 */
export function readFrames(socket: Socket, limit: () => number, onFrame: (content: Buffer) => unknown): void {
  let wanted: number | undefined
  /** undefined until there are enough; at the end of the stream there may never be. */
  const take = (size: number): Buffer | undefined => {
    const bytes = socket.read(size) as Buffer | null
    if (bytes && bytes.length < size) socket.destroy()
    return bytes && !socket.destroyed ? bytes : undefined
  }
  socket.on('readable', () => {
    while (!socket.destroyed) {
      wanted ??= take(headerSize)?.readUInt32BE()
      if (wanted === undefined) return
      if (wanted === 0 || wanted > limit()) return void socket.destroy()
      const content = take(wanted)
      if (!content) return
      wanted = undefined
      onFrame(content)
    }
  })
}
