import { type AddressInfo, type LookupFunction, type Socket, connect, createServer } from 'node:net'

import { reset } from '../../support/reset-socket.ts'
import { admitCallers } from '../junction/callers.ts'
import { type Source, createSource } from '../junction/source.ts'
import { splice } from '../junction/splice.ts'
import type { Endpoint } from '../rules/endpoint.ts'

export interface Forwarder extends AsyncDisposable {
  readonly port: number
}

/**
 * Passes each connection of those who may call on to another address, and ends and resets as they come.
 * @param own where to listen; port 0 for any
 * @param target asked for each connection
 */
export async function startForwarder(own: Endpoint, target: () => Endpoint | Promise<Endpoint>): Promise<Forwarder> {
  const sockets = new Set<Socket>()
  const track = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return createSource(socket)
  }
  const pass = async (inside: Source) => {
    const outside = track(connect({ lookup: bothLoopbacks, ...(await target()), allowHalfOpen: true, noDelay: true }))
    await splice(inside, outside, [])
  }
  const admit = admitCallers(own.host)
  // Where there is no target, as a port on which nobody listens.
  const accept = (inside: Socket) => void pass(track(inside)).catch(() => reset(inside))
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (inside) => admit(inside, () => accept(inside)))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen({ ...own, exclusive: true }, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** A program may listen on either one, and not every hosts file has both. */
const bothLoopbacks: LookupFunction = (_, __, callback) =>
  callback(null, [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ])
