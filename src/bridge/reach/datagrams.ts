import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Socket } from 'node:net'

import type { Endpoint } from '../rules/endpoint.ts'

const headerSize = 4

/** Bytes that may wait on the way back; datagrams beyond them are lost, as datagrams are. */
const limit = 1 << 20

/** Makes one of what a sender sends by a carrier, and a UDP port of this machine. */
export async function joinDatagrams(to: Endpoint, carrier: Socket, ready: () => void): Promise<void> {
  const local = createSocket('udp4')
  // That nobody listens is nothing that a sender of datagrams is told.
  local.on('error', () => {})
  local.connect(to.port, to.host)
  await once(local, 'connect')
  carrier.once('close', () => local.close())
  if (carrier.destroyed) return void local.close()
  local.on('message', (bytes) => {
    if (carrier.writableLength > limit) return
    const header = Buffer.alloc(headerSize)
    header.writeUInt32BE(headerSize + bytes.length)
    carrier.write(Buffer.concat([header, bytes]))
  })
  let come = Buffer.alloc(0)
  carrier.on('data', (bytes: Buffer) => {
    come = Buffer.concat([come, bytes])
    while (come.length >= headerSize && come.length >= come.readUInt32BE()) {
      const size = come.readUInt32BE()
      local.send(come.subarray(headerSize, size))
      come = come.subarray(size)
    }
  })
  carrier.resume()
  ready()
}
