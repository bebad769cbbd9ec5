import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { Cluster } from '../../cluster/cluster.ts'
import type { ContainerShell } from '../../docker/container-shell.ts'
import type { Docker } from '../../docker/docker.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { bracketed } from '../../support/ip-range.ts'
import type { Progress } from '../../support/progress.ts'
import { shellScript } from '../../support/shell-script.ts'
import type { ClusterNetwork } from '../rules/cluster-network.ts'
import { type FindReach, type LocalReach, directReach } from './local-reach.ts'
import { runRelayContainer } from './relay-container.ts'
import { type Relay, startRelay } from './relay.ts'

interface ReachOptions {
  readonly docker: Docker
  readonly cluster: Cluster
  readonly network: ClusterNetwork
  /** Of a node, from which it is tried. */
  readonly shell: ContainerShell
  readonly progress: Progress
  readonly onProblem: (error: unknown) => void
  /** For what stands in between, until the last bridge has ended. */
  readonly owned: AsyncDisposableStack
}

/**
 * Finds out by a trial how the cluster reaches this machine, once: at the gateway of its network, or else by a relay. The gateway is
 * not this machine where Docker runs in a virtual machine (Docker Desktop) or rootless, and a firewall may stand before it.
 */
export function createFindReach(options: ReachOptions): FindReach {
  let found: Promise<LocalReach> | undefined
  return () =>
    (found ??= findReach(options).catch((error: unknown) => {
      found = undefined
      throw error
    }))
}

async function findReach({ docker, cluster, network, shell, progress, onProblem, owned }: ReachOptions): Promise<LocalReach> {
  const reasons = await Promise.all(network.gateways.map((address) => whyUnreachable(shell, address)))
  const why = reasons.find((reason) => reason !== undefined)
  if (why === undefined) return directReach(network.gateways)
  let starting: Promise<Relay> | undefined
  // The last bridge may end while it starts.
  owned.defer(async () => {
    const started = await starting?.catch(() => undefined)
    await started?.[Symbol.asyncDispose]()
  })
  try {
    starting = startRelay({ run: (token) => runRelayContainer(docker, cluster, token), cluster: cluster.name, onProblem })
    const relay = await starting
    progress({
      kind: 'note',
      step: 'bridge',
      text: `pods cannot reach this machine (${why}): container "${relay.name}" relays their connections`,
    })
    return relay.reach
  } catch (error) {
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_UNREACHABLE',
      `The cluster cannot reach this machine (${why}), and the relay that stands in could not be used: ${messageOf(error)}`,
      {
        cause: error,
        hint: 'Allow traffic from the Docker network in your firewall, or bridge to a local container (image or build).',
      },
    )
  }
}

const callThisMachine = shellScript<'url' | 'seconds'>(import.meta.dirname, 'call-this-machine.sh')

/** Seconds after which a firewall must have swallowed a call. */
const patience = 1

async function whyUnreachable(shell: ContainerShell, address: string): Promise<string | undefined> {
  const server = createServer((_, response) => response.end('reached'))
  try {
    server.listen(0, address)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await shell.run(callThisMachine({ url: `http://${bracketed(address)}:${port}`, seconds: String(patience) }), { timeout: 10_000 })
    return undefined
  } catch (error) {
    return `nothing gets through to ${address}, the gateway of their network: ${whyFailed(messageOf(error))}`
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

/** What the client has said. */
function whyFailed(message: string): string {
  return /ended with exit code \d+: ([^]*)/.exec(message)?.[1]?.trim().split('\n').at(-1) ?? message
}
