import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { admitCallers } from './callers.ts'

export interface Listeners {
  /** One for each address. */
  readonly all: readonly { readonly address: string; readonly port: number }[]
  /** To be called when nothing more is sent here. Takes what is on its way still, and resolves when it listens no more. */
  close(): Promise<void>
}

/** Milliseconds without a new connection after which none is on its way any more: more than a packet takes. */
const grace = 50

/** Milliseconds that such a pause may take at the most, else the machine is so busy that packets are late as well. */
const calm = 75

/** Milliseconds after which a listener closes even so. */
const patience = 2_000

/**
 * Listens on any port of each address, for those who may call there.
 * @throws ClusterTestError `ERR_BRIDGE_HOST_UNREACHABLE`
 */
export async function listenOn(addresses: readonly string[], accept: (socket: Socket) => void): Promise<Listeners> {
  const servers: Server[] = []
  let last = 0
  const acceptOne = (socket: Socket) => {
    last = performance.now()
    accept(socket)
  }
  const close = () => servers.forEach((server) => server.close())
  try {
    for (const address of addresses) {
      const admit = admitCallers(address)
      servers.push(await listen(address, (socket) => admit(socket, () => acceptOne(socket))))
    }
  } catch (error) {
    close()
    throw error
  }
  return {
    all: servers.map((server, index) => ({ address: addresses[index]!, port: (server.address() as AddressInfo).port })),
    async close() {
      const started = performance.now()
      for (let paused = started, isOver = false; !isOver; paused = performance.now()) {
        await sleep(grace)
        // A timer comes before what has arrived meanwhile, and closing would reset that.
        await nextTurn()
        const now = performance.now()
        isOver = (now - last >= grace && now - paused < calm) || now - started >= patience
      }
      close()
    },
  }
}

async function listen(address: string, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept)
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve))
    return server
  } catch (error) {
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_UNREACHABLE',
      `This process cannot listen on ${address}, at which the cluster reaches this machine: ${messageOf(error)}.`,
      {
        cause: error,
        hint: 'Bridge to a local container (image or build).',
      },
    )
  }
}
