import { type Readable, addAbortSignal } from 'node:stream'

import { readContainerState } from '../../docker/container-log.ts'
import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { removeContainer } from '../../docker/remove.ts'
import { watchContainer } from '../../docker/watch-container.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { createQueue } from '../../support/turns.ts'
import type { Cluster } from '../cluster.ts'
import { createHelper } from '../helper-container.ts'
import { type Leads, firstPort, leadScript, readyWord, startScript } from './gateway-scripts.ts'

type GatewayCluster = Pick<Cluster, 'name' | 'network' | 'nodes' | 'image' | 'labels'>

export interface GatewayOptions {
  /** For each port: the loopback address on which it is published. */
  readonly hosts: readonly string[]
  /** What Docker publishes; undefined for those that it chooses. */
  readonly ports: readonly (number | undefined)[]
  /** Where each port leads. */
  readonly leads: Leads
  /** What its container says of its ports. */
  readonly labels: Readonly<Record<string, string>>
  /** Told when the container was ended from outside; it runs again then, at the same ports. */
  readonly onProblem: (error: unknown) => void
  readonly signal: AbortSignal
}

export interface Gateway extends AsyncDisposable {
  /** As Docker has published them, in the order of the options. */
  readonly ports: readonly number[]
  /** Lets the ports lead elsewhere. What leads nowhere is refused. */
  lead(leads: Leads): Promise<void>
  /** Leaves its container for good: Docker starts it again whenever Docker itself starts. */
  leave(): Promise<void>
}

/**
 * Publishes TCP ports of Services on loopback ports of the host. A container on the cluster's Docker network forwards
 * them by NAT to the Services' own addresses, so every connection takes the way that a pod's takes (kube-proxy, endpoints)
 * and no process stands in between, unlike with a port-forward.
 */
export async function startGateway(docker: Docker, cluster: GatewayCluster, options: GatewayOptions): Promise<Gateway> {
  const { hosts, labels, onProblem, signal } = options
  let { leads } = options
  const stop = new AbortController()
  let current = await runContainer(docker, cluster, { hosts, leads, labels, ports: options.ports, signal })
  const { ports } = current
  const inTurn = createQueue()
  const isRunning = async () => (await readContainerState(docker.engine.getContainer(current.id))).isRunning
  /** Whoever has ended it may do so once more, while it starts. */
  const runAgain = async (tries = 3): Promise<GatewayContainer> => {
    try {
      return await runContainer(docker, cluster, { hosts, leads, labels, ports, signal: stop.signal })
    } catch (error) {
      if (tries === 1 || stop.signal.aborted) throw error
      onProblem(error)
      return runAgain(tries - 1)
    }
  }
  const revive = async () => {
    if (stop.signal.aborted || (await isRunning())) return
    onProblem(gatewayEnded(cluster.name, current.name))
    await current[Symbol.asyncDispose]()
    current = await runAgain()
    watch()
  }
  const watch = () => current.watch(() => void inTurn(revive).catch((error: unknown) => stop.signal.aborted || onProblem(error)))
  watch()
  return {
    ports,
    lead: (wanted) =>
      inTurn(async () => {
        if (JSON.stringify(wanted) === JSON.stringify(leads)) return revive()
        leads = wanted
        try {
          await execInContainer(docker, current.id, ['sh', '-ec', leadScript(cluster.nodes[0]!, leads)], { timeout: 30_000 })
        } catch (error) {
          if (await isRunning()) throw error
          await revive()
        }
      }),
    async leave() {
      stop.abort(new Error('The gateway is left to itself.'))
      await inTurn(async () => {})
      await current.leave()
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('The gateway is not needed any more.'))
      await inTurn(async () => {})
      await current[Symbol.asyncDispose]()
    },
  }
}

/** Lets Docker start a gateway again whenever Docker itself starts. */
export async function leaveRunning({ engine }: Docker, id: string): Promise<void> {
  await engine.getContainer(id).update({ RestartPolicy: { Name: 'unless-stopped' } })
}

type RunOptions = Pick<GatewayOptions, 'hosts' | 'leads' | 'labels' | 'ports' | 'signal'>

interface GatewayContainer extends AsyncDisposable {
  readonly id: string
  readonly name: string
  readonly ports: readonly number[]
  watch(onEnded: () => void): void
  leave(): Promise<void>
}

async function runContainer(
  docker: Docker,
  cluster: GatewayCluster,
  { hosts, leads, labels, ports, signal }: RunOptions,
): Promise<GatewayContainer> {
  signal.throwIfAborted()
  const inside = hosts.map((_, index) => `${firstPort + index}/tcp`)
  const container = await createHelper(docker, cluster, {
    ...{ role: 'gateway', labels },
    script: startScript(cluster.nodes[0]!, leads),
    Tty: true,
    ExposedPorts: Object.fromEntries(inside.map((each) => [each, {}])),
    HostConfig: {
      NetworkMode: cluster.network,
      CapAdd: ['NET_ADMIN'],
      Sysctls: {
        'net.ipv4.ip_forward': '1',
        ...(cluster.nodes[0]!.address6 && { 'net.ipv6.conf.all.forwarding': '1' }),
      },
      PortBindings: Object.fromEntries(
        inside.map((each, index) => [each, [{ HostIp: hosts[index]!, HostPort: String(ports[index] ?? '') }]]),
      ),
    },
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => removeContainer(docker, container.id))
  const output = await container.attach({ stream: true, stdout: true, stderr: true })
  await container.start()
  const name = (await container.inspect()).Name.slice(1)
  await waitForRules(output, name, signal)
  const { NetworkSettings } = await container.inspect()
  const published = inside.map((each) => {
    const bound = NetworkSettings.Ports[each]?.[0]
    if (bound) return Number(bound.HostPort)
    throw new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `Docker published no port for ${each} of container "${name}".`)
  })
  const watching = new AsyncDisposableStack()
  const owned = cleanup.move()
  owned.use(watching)
  return {
    id: container.id,
    name,
    ports: published,
    watch: (onEnded) => void watching.use(watchContainer(docker, container.id, onEnded)),
    async leave() {
      await watching.disposeAsync()
      await leaveRunning(docker, container.id)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A port that Docker publishes takes connections before anything listens behind it. */
async function waitForRules(output: NodeJS.ReadableStream, container: string, signal: AbortSignal): Promise<void> {
  addAbortSignal(signal, output as Readable)
  let text = ''
  for await (const chunk of output) {
    text += String(chunk)
    if (text.includes(readyWord)) return
  }
  throw new ClusterTestError(
    'ERR_DOCKER_REQUEST_FAILED',
    `Container "${container}", the gateway to Services, ended while it started: ${text.trim() || 'it printed nothing'}`,
  )
}

function gatewayEnded(cluster: string, container: string): ClusterTestError {
  return new ClusterTestError(
    'ERR_DOCKER_REQUEST_FAILED',
    `Container "${container}", through which this machine reaches the Services of cluster "${cluster}", was ended. Another one takes its place, at the same ports.`,
  )
}
