import type { AddressInfo, Server, Socket } from 'node:net'

import { type Junction, startJunction } from '../../src/bridge/junction/junction.ts'
import type { Endpoint } from '../../src/bridge/rules/endpoint.ts'

export interface Listening extends AsyncDisposable {
  readonly endpoint: Endpoint
}

export async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** A junction whose local side, and a mirror where there is one, take what has the header. */
export async function join(
  original: Listening,
  local: Listening,
  options: { readonly mirror?: Endpoint; readonly body?: boolean; readonly onProblem: (error: unknown) => void },
): Promise<Junction & { readonly port: number }> {
  const { onProblem } = options
  const junction = await startJunction({
    workload: 'deployment/shop',
    addresses: ['127.0.0.1'],
    original: async () => original.endpoint,
    onProblem,
  })
  junction.add({ id: 'b', endpoint: local.endpoint, match: [{ headers: { 'x-side': 'b' } }], mirror: false, onProblem: () => {} })
  if (options.body)
    junction.add({ id: 'c', endpoint: local.endpoint, match: [{ body: /^body\s+GET/ }], mirror: false, onProblem: () => {} })
  if (options.mirror) junction.add({ id: 'm', endpoint: options.mirror, match: undefined, mirror: true })
  return { ...junction, port: junction.listeners[0]!.port }
}
