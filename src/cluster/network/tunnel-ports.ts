import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { ClusterTestError } from '../../support/errors.ts'
import { reset } from '../../support/reset-socket.ts'
import type { Joined, Tunnel } from './tunnel.ts'

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
  /**
   * Ends connections on which no answer is under way, so that the next request is sent on another one. Those that are busy for longer stay.
   * @param isMeant by where they lead
   */
  endIdle(isMeant: (address: string) => boolean): Promise<void>
  /** Ends the tunnel that is open, until somebody needs one again. */
  endTunnel(): Promise<void>
}

/** Milliseconds without a byte of an answer after which it is taken for whole, and that one under way is waited for. */
const pause = 100
const patience = 2_000

interface TunnelPortsOptions {
  readonly open: (signal: AbortSignal) => Promise<OpenedTunnel>
  /** Told when another one has taken the place of one that broke. */
  readonly onReplaced: (broken: OpenedTunnel, by: OpenedTunnel) => void
  /** Why it ends. */
  readonly ended: string
}

export function openTunnelPorts({ open, onReplaced, ended }: TunnelPortsOptions): TunnelPorts {
  const servers = new AsyncDisposableStack()
  const sockets = new Map<Socket, { readonly address: string; readonly joined: Joined | undefined }>()
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
    local.on('error', () => {}).once('close', () => sockets.delete(local))
    if (address === undefined) return reset(local)
    sockets.set(local, { address, joined: undefined })
    try {
      const { tunnel } = await current()
      sockets.set(local, { address, joined: tunnel.join(local, address) })
      if (local.destroyed) sockets.delete(local)
    } catch {
      reset(local)
    }
  }
  return {
    current,
    endTunnel,
    async endIdle(isMeant) {
      const meant = [...sockets].flatMap(([socket, { address }]) => (isMeant(address) ? [socket] : []))
      for (const end = performance.now() + patience; performance.now() < end && meant.some((socket) => sockets.has(socket));) {
        for (const socket of meant) if ((sockets.get(socket)?.joined?.idle ?? 0) > pause) socket.destroy()
        await sleep(20)
      }
    },
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
      for (const socket of sockets.keys()) socket.destroy()
      await endTunnel()
    },
  }
}
