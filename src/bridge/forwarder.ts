import { type AddressInfo, type LookupFunction, type Socket, connect, createServer } from 'node:net'

export interface Forwarder extends AsyncDisposable {
  readonly port: number
}

/** Listens on one address and passes each connection on to a port of loopback: for programs that listen there only. */
export async function startForwarder(address: string, target: number): Promise<Forwarder> {
  const sockets = new Set<Socket>()
  const track = (socket: Socket, peer: () => Socket | undefined) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // Either end breaking breaks the other, as one connection would.
    socket.on('error', () => peer()?.destroy())
  }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (inside) => {
    const outside = connect({ host: 'localhost', lookup: bothLoopbacks, port: target, allowHalfOpen: true, noDelay: true })
    track(inside, () => outside)
    track(outside, () => inside)
    inside.pipe(outside).pipe(inside)
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve))
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
