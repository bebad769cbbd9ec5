import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'

import { ClusterTestError } from '../../support/errors.ts'
import { reset } from '../../support/reset-socket.ts'
import type { Tunnel } from './tunnel.ts'

/** What keeps a tunnel open. */
export interface OpenedTunnel extends AsyncDisposable {
  /** Of what is at its other end. */
  readonly name: string
  readonly tunnel: Tunnel
  /** What its program has said, in brackets. */
  why(): string
}

/** Ports of this machine's loopback that lead through a tunnel. When that breaks, the next connection opens another one. */
export interface TunnelPorts extends AsyncDisposable {
  /** The tunnel that is open. */
  current(): Promise<OpenedTunnel>
  /**
   * Listens for connections and leads each to where `address` says at that moment; resets it where that is nowhere. Resolves to the port.
   * @param wanted 0 for any
   */
  listen(host: string, wanted: number, address: () => string | undefined): Promise<number>
  /** Ends the tunnel that is open, until somebody needs one again. */
  endTunnel(): Promise<void>
}

interface TunnelPortsOptions {
  readonly open: (signal: AbortSignal) => Promise<OpenedTunnel>
  /** Told when another one has taken the place of one that broke. */
  readonly onReplaced: (broken: OpenedTunnel, by: OpenedTunnel) => void
  /** Why it ends. */
  readonly ended: string
}

export function openTunnelPorts({ open, onReplaced, ended }: TunnelPortsOptions): TunnelPorts {
  const servers = new AsyncDisposableStack()
  const sockets = new Set<Socket>()
  const stop = new AbortController()
  let opened: Promise<OpenedTunnel> | undefined

  /** The one that is open, or a new one where that has broken. */
  const current = async (): Promise<OpenedTunnel> => {
    const before = opened
    const known = await before?.catch(() => undefined)
    if (known && !known.tunnel.isClosed) return known
    stop.signal.throwIfAborted()
    if (opened !== before) return current()
    return (opened = replace(known))
  }
  const replace = async (broken: OpenedTunnel | undefined): Promise<OpenedTunnel> => {
    await broken?.[Symbol.asyncDispose]()
    const started = await open(stop.signal)
    if (broken) onReplaced(broken, started)
    return started
  }
  const endTunnel = async () => {
    const known = await opened?.catch(() => undefined)
    await known?.[Symbol.asyncDispose]()
  }
  const join = async (local: Socket, address: string | undefined) => {
    sockets.add(local)
    local.on('error', () => {}).once('close', () => sockets.delete(local))
    try {
      if (address === undefined) return reset(local)
      const { tunnel } = await current()
      tunnel.join(local, address)
    } catch {
      reset(local)
    }
  }
  return {
    current,
    endTunnel,
    async listen(host, wanted, address) {
      stop.signal.throwIfAborted()
      const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true }
      const server = createServer(options, (local) => void join(local, address()))
      servers.defer(() => void server.close())
      await once(server.listen(wanted, host), 'listening')
      return (server.address() as AddressInfo).port
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new ClusterTestError('ERR_SETUP_CANCELLED', ended))
      await servers.disposeAsync()
      for (const socket of sockets) socket.destroy()
      await endTunnel()
    },
  }
}
