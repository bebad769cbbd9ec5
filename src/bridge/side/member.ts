import type { Cluster } from '../../cluster/cluster.ts'
import { createHelper } from '../../cluster/helper-container.ts'
import { readContainerState } from '../../docker/container-log.ts'
import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { removeContainer } from '../../docker/remove.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { poll } from '../../support/poll.ts'
import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import type { ClusterNetwork } from '../rules/cluster-network.ts'
import type { PodNames } from './pod-names.ts'

const folder = import.meta.dirname
const holdNamespace = shellScript<'routes' | 'resolv_conf'>(folder, 'hold-namespace.sh')
const readListeners = shellScript(folder, 'read-listeners.sh')
const restoreRules = shellScript<'rules'>(folder, 'restore-in-holder.sh')

export interface MemberOptions {
  readonly docker: Docker
  readonly cluster: Cluster
  readonly network: ClusterNetwork
  readonly names: PodNames
  /** TCP ports to publish on loopback of the host. */
  readonly publish: readonly number[]
  readonly signal: AbortSignal
}

/**
 * A network namespace that is a member of the cluster: pods and Services can be reached from it by address and by name.
 * A container owns it, as a pod's sandbox does, so that the local container that joins needs no capability and may restart.
 */
export interface Member extends AsyncDisposable {
  /** Id of the container that owns the namespace. */
  readonly holder: string
  /** In the cluster's Docker network. */
  readonly address: string
  /** The same for IPv6; undefined where the network has none. */
  readonly address6: string | undefined
  /** Host ports of the published ones. */
  readonly published: Readonly<Record<number, number>>
}

export async function startMember({ docker, cluster, network, names, publish, signal }: MemberOptions): Promise<Member> {
  signal.throwIfAborted()
  const container = await createHelper(docker, cluster, {
    role: 'member',
    script: [holderScript(network, names).text],
    // Containers that join share these, and the files that have them.
    ...(names.hostname && { Hostname: names.hostname }),
    ...(names.domainname && { Domainname: names.domainname }),
    ExposedPorts: Object.fromEntries(publish.map((port) => [`${port}/tcp`, {}])),
    HostConfig: {
      NetworkMode: cluster.network,
      CapAdd: ['NET_ADMIN'],
      ExtraHosts: [...names.extraHosts],
      Sysctls: {
        // So that what listens on loopback only can be reached, see reachLoopback.
        'net.ipv4.conf.all.route_localnet': '1',
        // So that the pod whose address is taken can still be heard, see takePodAddress.
        'net.ipv4.conf.all.accept_local': '1',
      },
      PortBindings: Object.fromEntries(publish.map((port) => [`${port}/tcp`, [{ HostIp: '127.0.0.1', HostPort: '' }]])),
    },
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => removeContainer(docker, container.id))
  await container.start()
  // The resolver's file has to be there before anything that joins reads it.
  const isReady = async () => {
    const file = await execInContainer(docker, container.id, ['cat', '/etc/resolv.conf'], { timeout: 30_000, signal })
    return file === names.resolvConf || undefined
  }
  await poll(isReady, { interval: 10, signal })
  const { NetworkSettings } = await container.inspect()
  const published = await Promise.all(
    publish.map(async (port) => [port, await cluster.ports.reach(Number(NetworkSettings.Ports[`${port}/tcp`]![0]!.HostPort))] as const),
  )
  const owned = cleanup.move()
  return {
    holder: container.id,
    address: NetworkSettings.Networks[cluster.network]!.IPAddress,
    address6: NetworkSettings.Networks[cluster.network]!.GlobalIPv6Address || undefined,
    published: Object.fromEntries(published),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function holderScript({ routes }: ClusterNetwork, { resolvConf }: PodNames): ShellScript {
  return holdNamespace({ routes: routes.map(({ cidr, via }) => `${cidr},${via}`).join(' '), resolv_conf: resolvConf })
}

interface LocalPort {
  readonly local: number
  readonly protocol: string
}

export interface WaitForListenersOptions {
  /** The container of the program that is to listen. */
  readonly container: string
  /** Of it, for errors. */
  readonly what: string
  /** Milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal
}

/**
 * Waits until the local side listens on these ports of a network namespace, whoever owns it: read from the kernel's own
 * table, since a connection would be a request that the program under test sees. Resolves to the ports on which it listens on
 * loopback only.
 * @throws ClusterTestError `ERR_BRIDGE_NOT_LISTENING`, or `ERR_BRIDGE_LOCAL_FAILED` when it has ended; with what it printed
 */
export async function waitForListeners<Port extends LocalPort>(
  docker: Docker,
  holder: string,
  ports: readonly Port[],
  { container, what, timeout, signal }: WaitForListenersOptions,
): Promise<readonly Port[]> {
  const deadline = performance.now() + timeout
  return poll(
    async () => {
      const listening = parseListeners(await execInContainer(docker, holder, readListeners({}), { timeout: 30_000, signal }))
      const missing = ports.filter(({ local, protocol }) => !listening.some((each) => each.port === local && each.protocol === protocol))
      const isOnLoopback = ({ local, protocol }: Port) =>
        listening.filter((each) => each.port === local && each.protocol === protocol).every(({ isLoopback }) => isLoopback)
      if (missing.length === 0) return ports.filter(isOnLoopback)
      const { isRunning, state, tail } = await readContainerState(docker.engine.getContainer(container))
      const isLate = performance.now() > deadline
      if (isRunning && !isLate) return undefined
      const others = [...new Set(listening.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port))].join(', ')
      const names = missing.map(({ local }) => local).join(', ')
      throw new ClusterTestError(
        isRunning ? 'ERR_BRIDGE_NOT_LISTENING' : 'ERR_BRIDGE_LOCAL_FAILED',
        `${what} ${isRunning ? `did not listen within ${timeout} ms` : `${state} before it listened`} on port ${names}.${await tail()}`,
        { hint: `${others ? `It listens on ${others}` : 'It listens on no TCP port'}; map the pods' ports with ports: { 8080: 3000 }.` },
      )
    },
    { interval: 25, signal },
  )
}

/** A program that listens on 127.0.0.1 only is reachable in a pod by its sidecars alone; here it is to answer for the pod. */
export async function reachLoopback(docker: Docker, holder: string, ports: readonly LocalPort[]): Promise<void> {
  if (ports.length === 0) return
  const rules = ports.map(
    ({ local, protocol }) => `-A PREROUTING -p ${protocol} --dport ${local} -j DNAT --to-destination 127.0.0.1:${local}`,
  )
  await restoreInHolder(docker, holder, ['*nat', ...rules, 'COMMIT'].join('\n'))
}

/** Sets rules in the network namespace of a member. */
export async function restoreInHolder(docker: Docker, holder: string, rules: string): Promise<void> {
  await execInContainer(docker, holder, restoreRules({ rules }), { timeout: 30_000 })
}

export interface Listener {
  readonly protocol: string
  readonly port: number
  readonly isLoopback: boolean
  /** Whether it takes connections over IPv6. */
  readonly isIPv6: boolean
}

/** proc_net_tcp(5): addresses are hexadecimal, 0A is LISTEN. */
export function parseListeners(tables: string): readonly Listener[] {
  const listeners: Listener[] = []
  let table = ''
  for (const line of tables.split('\n')) {
    if (/^(?:tcp|udp)6?$/.test(line)) table = line
    const protocol = table.slice(0, 3)
    const [, address = '', port = '', state] = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line) ?? []
    // 127.0.0.11 is Docker's own resolver.
    if (!port || address === '0B00007F' || (protocol === 'tcp' && state !== '0A')) continue
    listeners.push({
      protocol,
      port: Number.parseInt(port, 16),
      isLoopback: /7F$|^0{24}01000000$|^0000000000000000FFFF0000.{6}7F$/.test(address),
      isIPv6: table.endsWith('6') && !address.startsWith('0000000000000000FFFF0000'),
    })
  }
  return listeners
}
