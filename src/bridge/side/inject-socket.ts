import { Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

import { ClusterTestError, messageOf } from '../../support/errors.ts'

export interface InjectedSocket extends AsyncDisposable {
  readonly port: number
}

export function isSocket(server: unknown): server is Socket {
  return server instanceof Socket
}

/** All addresses of this machine. */
const wildcards = ['0.0.0.0', '::']

/**
 * Lets datagrams for one address of this machine arrive at the user's socket. One that is not bound is bound to the address,
 * and closed in the end; one that takes datagrams for all addresses is used as it is, and left open.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for a socket that is bound elsewhere, or closed
 */
export async function injectSocket(socket: Socket, address: string): Promise<InjectedSocket> {
  const own = await bind(socket, address)
  return {
    port: socket.address().port,
    async [Symbol.asyncDispose]() {
      if (own) await close(socket)
    },
  }
}

/** Whether it is bound now, and was not before. */
async function bind(socket: Socket, address: string): Promise<boolean> {
  try {
    socket.bind({ port: 0, address })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw notUsable('one that is closed', error)
    if (code !== 'ERR_SOCKET_ALREADY_BOUND') throw error
    await checkBound(socket, address)
    return false
  }
  try {
    await once(socket, 'listening')
    return true
  } catch (error) {
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_UNREACHABLE',
      `This process cannot bind a UDP socket to ${address}, at which the cluster reaches this machine: ${messageOf(error)}.`,
      {
        cause: error,
        hint: `Create it with dgram.createSocket('udp4').`,
      },
    )
  }
}

async function checkBound(socket: Socket, address: string): Promise<void> {
  if (!addressOf(socket)) await once(socket, 'listening')
  const bound = socket.address()
  if (![...wildcards, address].includes(bound.address)) throw notUsable(`one bound to ${bound.address}:${bound.port}`)
}

/** undefined while it is being bound: that takes a turn of the event loop even without a name to look up. */
function addressOf(socket: Socket): AddressInfo | undefined {
  try {
    return socket.address()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBADF') return undefined
    throw error
  }
}

/** The user may have closed it before. */
async function close(socket: Socket): Promise<void> {
  try {
    await new Promise<void>((resolve) => socket.close(resolve))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error
  }
}

function notUsable(got: string, cause?: unknown): ClusterTestError {
  return new ClusterTestError(
    'ERR_OPTIONS_INVALID',
    `Expected the UDP socket in \`server\` to be unbound or bound to all addresses, got ${got}.`,
    {
      ...(cause ? { cause } : {}),
      hint: 'Let the bridge bind it: dgram.createSocket("udp4").',
    },
  )
}
