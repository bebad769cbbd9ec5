import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Docker } from '../../docker/docker.ts'
import { bracketed } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import type { Progress } from '../../support/progress.ts'
import { reset } from '../../support/reset-socket.ts'
import type { HelperCluster } from '../helper-container.ts'
import type { ServiceAddress } from './service-address.ts'
import { type TunnelContainer, startTunnel } from './tunnel-container.ts'

/**
 * What Docker publishes for a cluster on loopback of the engine's machine, as this machine reaches it. That is not one loopback where
 * vitest runs in a container that was given the engine's socket, and where the engine is reached by the network (`tcp://`).
 */
export interface PublishedPorts extends AsyncDisposable {
  /** Whether they are on another loopback than this machine's, once the first is reached. */
  readonly areElsewhere: boolean
  /** Resolves to the port of this machine's loopback that leads to a published one: the same number, unless somebody else has that. */
  reach(port: number, host?: string): Promise<number>
}

interface PublishedPortsOptions {
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Found out by a trial with the first port: what cannot be connected to from here, and can be from a container beside the engine. */
export function openPublishedPorts(docker: Docker, cluster: HelperCluster, { progress, signal }: PublishedPortsOptions): PublishedPorts {
  const servers = new AsyncDisposableStack()
  const ways = new Map<string, Promise<number>>()
  const sockets = new Set<Socket>()
  let finding: Promise<boolean> | undefined
  let areElsewhere = false
  let current: Promise<TunnelContainer> | undefined
  let isOver = false

  /** The one that is open, or a new one where that has broken. */
  const openTunnel = async (): Promise<TunnelContainer> => {
    const before = current
    const known = await before?.catch(() => undefined)
    if (known && !known.tunnel.isClosed) return known
    if (isOver) throw new Error('The cluster is not needed any more.')
    if (current !== before) return openTunnel()
    return (current = startTunnel(docker, cluster))
  }
  const endTunnel = async () => {
    const known = await current?.catch(() => undefined)
    await known?.[Symbol.asyncDispose]()
  }
  /** Where Docker publishes without a proxy of its own, nothing listens before the container does: neither here nor there. */
  const find = async (port: number, host: string): Promise<boolean> => {
    if (await connects(port, host)) return false
    const { name, tunnel } = await openTunnel()
    const look = async () => {
      const isThere = await tunnel.reaches(`${bracketed(host)}:${port}`)
      if (await connects(port, host)) return false
      return isThere || undefined
    }
    const found = await poll(look, { interval: 50, signal })
    areElsewhere = found
    if (found) {
      const text = `the ports that Docker publishes are not this machine's: container "${name}" leads to them, as long as this process runs`
      progress({ kind: 'note', step: 'cluster', text })
    } else await endTunnel()
    return found
  }
  const join = async (local: Socket, port: number, host: string) => {
    sockets.add(local)
    local.on('error', () => {}).once('close', () => sockets.delete(local))
    try {
      const { tunnel } = await openTunnel()
      tunnel.join(local, `${bracketed(host)}:${port}`)
    } catch {
      reset(local)
    }
  }
  const listen = async (port: number, host: string): Promise<number> => {
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true }
    const server = createServer(options, (local) => void join(local, port, host))
    servers.defer(() => void server.close())
    await listenOn(server, port, host).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      return listenOn(server, 0, host)
    })
    return (server.address() as AddressInfo).port
  }
  return {
    get areElsewhere() {
      return areElsewhere
    },
    reach(port, host = '127.0.0.1') {
      const key = `${host} ${port}`
      const known = ways.get(key)
      if (known) return known
      finding ??= find(port, host)
      const way = finding.then((found) => (found ? listen(port, host) : port))
      ways.set(key, way)
      return way
    },
    async [Symbol.asyncDispose]() {
      isOver = true
      await servers.disposeAsync()
      for (const socket of sockets) socket.destroy()
      await endTunnel()
    },
  }
}

/** The same addresses, for this machine. */
export function reachAddresses(ports: PublishedPorts, addresses: readonly ServiceAddress[]): Promise<readonly ServiceAddress[]> {
  return Promise.all(addresses.map(async (each) => ({ ...each, hostPort: await ports.reach(each.hostPort, each.host) })))
}

async function listenOn(server: Server, port: number, host: string): Promise<void> {
  await once(server.listen(port, host), 'listening')
}

/** Milliseconds: loopback answers at once, if ever. */
const connectLimit = 2_000

async function connects(port: number, host: string): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    const opened = await Promise.race([once(socket, 'connect'), sleep(connectLimit, undefined, { ref: false })])
    return opened !== undefined
  } catch {
    return false
  } finally {
    socket.on('error', () => {}).destroy()
  }
}
