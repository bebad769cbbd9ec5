import type { Socket } from 'node:net'

import { reset } from '../../support/reset-socket.ts'

const headerSize = 4

/** The end of one direction. */
const end = header(0)

/** Makes one of a connection of this machine and its carrier: what comes, and how it ends. Whoever reads slowly is waited for. */
export function joinFrames(local: Socket, carrier: Socket): void {
  const isOver = { local: false, carrier: false }
  const areOver = () => isOver.local && isOver.carrier
  const finish = () => areOver() && carrier.end()
  /** A carrier that ends before both directions have is a reset, after what came before. */
  const breakOff = () => {
    if (areOver()) return
    reset(local)
    if (!carrier.writableEnded) carrier.end()
    carrier.resume()
  }

  local.on('data', (bytes: Buffer) => {
    if (carrier.writableEnded) return
    carrier.cork()
    carrier.write(header(bytes.length))
    const hasRoom = carrier.write(bytes)
    carrier.uncork()
    if (!hasRoom) pauseUntilDrained(local, carrier)
  })
  local.once('end', () => {
    isOver.local = true
    if (!carrier.writableEnded) carrier.write(end)
    finish()
  })
  local.once('close', breakOff)

  const read = createFrameReader({
    bytes(part) {
      if (local.writable && !local.write(part)) pauseUntilDrained(carrier, local)
    },
    end() {
      isOver.carrier = true
      local.end()
      finish()
    },
  })
  carrier.on('data', read)
  carrier.once('end', breakOff)
  carrier.once('close', breakOff)
  local.resume()
  carrier.resume()
  if (local.destroyed || carrier.destroyed) breakOff()
}

function pauseUntilDrained(from: Socket, to: Socket): void {
  from.pause()
  const go = () => {
    to.off('drain', go).off('close', go)
    from.resume()
  }
  to.once('drain', go).once('close', go)
}

/** Takes what a carrier brings apart, in pieces as they come. */
function createFrameReader(to: { readonly bytes: (part: Buffer) => void; readonly end: () => void }): (bytes: Buffer) => void {
  let head: Buffer = Buffer.alloc(0)
  let left = 0
  return (bytes) => {
    for (let at = 0; at < bytes.length;) {
      if (left > 0) {
        const part = bytes.subarray(at, at + left)
        left -= part.length
        at += part.length
        to.bytes(part)
        continue
      }
      const part = bytes.subarray(at, at + headerSize - head.length)
      head = head.length > 0 ? Buffer.concat([head, part]) : part
      at += part.length
      if (head.length < headerSize) continue
      left = head.readUInt32BE()
      head = Buffer.alloc(0)
      if (left === 0) to.end()
    }
  }
}

function header(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerSize)
  bytes.writeUInt32BE(length)
  return bytes
}
