import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Docker } from '../../docker/docker.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { bracketed } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import type { Progress } from '../../support/progress.ts'
import type { HelperCluster } from '../helper-container.ts'
import type { ServiceAddress } from './service-address.ts'
import { startTunnel } from './tunnel-container.ts'
import { openTunnelPorts } from './tunnel-ports.ts'

/**
 * What Docker publishes for a cluster on loopback of the engine's machine, as this machine reaches it. That loopback is another one where
 * vitest runs in a container that has the engine's socket, and where the engine is remote (`tcp://`).
 */
export interface PublishedPorts extends AsyncDisposable {
  /** Whether they are on another loopback than this machine's, once the first is reached. */
  readonly areElsewhere: boolean
  /**
   * Resolves to the port of this machine's loopback that leads to a published one: the same number, unless somebody has that. The first is
   * to be the API server's.
   * @throws ClusterTestError `ERR_KUBE_UNREACHABLE` when the first leads nowhere
   */
  reach(port: number, host?: string): Promise<number>
}

interface PublishedPortsOptions {
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Milliseconds. A fork's API server does not listen at first. */
const findLimit = 30_000

/** Found out by a trial with the first port: what cannot be connected to from here, and can be from a container beside the engine. */
export function openPublishedPorts(docker: Docker, cluster: HelperCluster, { progress, signal }: PublishedPortsOptions): PublishedPorts {
  const ways = new Map<string, Promise<number>>()
  let finding: Promise<boolean> | undefined
  let areElsewhere = false

  const note = (text: string) => progress({ kind: 'note', step: 'cluster', text })
  const tunnels = openTunnelPorts({
    open: (stop) => startTunnel(docker, cluster, stop),
    onReplaced: (broken, { name }) =>
      note(`container "${broken.name}" has ended${broken.why()}, and what it forwarded was reset: "${name}" takes its place`),
    ended: `Cluster "${cluster.name}" is not used any more.`,
  })
  const find = async (port: number, host: string): Promise<boolean> => {
    if (await connects(port, host)) return false
    const address = `${bracketed(host)}:${port}`
    let why: unknown
    const look = async () => {
      const reaches = async () => (await tunnels.current()).tunnel.reaches(address)
      const isThere = await reaches().catch((error: unknown) => void (why = error))
      // Where Docker publishes without a proxy of its own, nothing listens before the container does: neither here nor there.
      if (await connects(port, host)) return false
      return isThere || undefined
    }
    const found = await poll(look, { interval: 100, signal: AbortSignal.any([signal, AbortSignal.timeout(findLimit)]) }).catch(() => {
      signal.throwIfAborted()
      throw leadsNowhere(cluster.name, address, why)
    })
    areElsewhere = found
    if (!found) await tunnels.endTunnel()
    else
      note(
        `the ports that Docker publishes are another machine's: container "${(await tunnels.current()).name}" forwards them while this process runs`,
      )
    return found
  }
  const listen = async (port: number, host: string, isFirst: boolean): Promise<number> => {
    const listenOn = (wanted: number) => tunnels.listen(host, wanted, () => `${bracketed(host)}:${port}`)
    // Another process that uses the cluster would take this one's port for Docker's.
    if (isFirst) return listenOn(0)
    try {
      return await listenOn(port)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'EADDRNOTAVAIL') throw noIPv6(message, error)
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
      const other = await listenOn(0)
      note(
        `port ${port} of this machine ${code === 'EACCES' ? 'is not for everybody' : 'is in use'}: ${other} leads to the one that Docker publishes`,
      )
      return other
    }
  }
  return {
    get areElsewhere() {
      return areElsewhere
    },
    reach(port, host = '127.0.0.1') {
      const isFirst = !finding
      finding ??= find(port, host)
      const key = `${host} ${port}`
      const way = ways.get(key) ?? finding.then((found) => (found ? listen(port, host, isFirst) : port))
      ways.set(key, way)
      return way
    },
    [Symbol.asyncDispose]: () => tunnels[Symbol.asyncDispose](),
  }
}

function leadsNowhere(cluster: string, address: string, cause: unknown): ClusterTestError {
  const why = cause === undefined ? '' : ` (${messageOf(cause)})`
  return new ClusterTestError(
    'ERR_KUBE_UNREACHABLE',
    `The API server of cluster "${cluster}", which Docker publishes at ${address}, can be reached neither from here nor from a container beside the Docker engine${why}.`,
    { cause, hint: 'Look whether its nodes run, and what they say: docker ps, docker logs.' },
  )
}

function noIPv6(why: string, cause: unknown): ClusterTestError {
  return new ClusterTestError('ERR_CLUSTER_NO_IPV6', `This machine has no IPv6, by which a Service is published: ${why}.`, {
    cause,
    hint: 'Enable IPv6 here (sysctl net.ipv6.conf.all.disable_ipv6=0), or omit ipFamily.',
  })
}

/** The same addresses, for this machine. */
export function reachAddresses(ports: PublishedPorts, addresses: readonly ServiceAddress[]): Promise<readonly ServiceAddress[]> {
  return Promise.all(addresses.map(async (each) => ({ ...each, hostPort: await ports.reach(each.hostPort, each.host) })))
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
