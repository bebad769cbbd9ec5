import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { execInContainer } from '../../docker/exec.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { lastLines } from '../../support/format.ts'
import { bracketed } from '../../support/ip-range.ts'
import { poll } from '../../support/poll.ts'
import type { BridgeParts } from '../parts.ts'
import type { PortMapping } from '../rules/ports.ts'
import type { Forward } from '../rules/rules.ts'
import { startForwarder } from './forwarder.ts'
import { namesForProcess } from './host-env.ts'
import { parseListeners } from './member.ts'
import { trackGroup } from './process-group.ts'

export interface HostProcessOptions {
  readonly command: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly ports: readonly PortMapping[]
  readonly namespace: string
  readonly timeout: number
  readonly signal: AbortSignal
}

export interface HostProcess extends AsyncDisposable {
  readonly forwards: readonly Forward[]
  output(): string
}

/** Starts a program on the host and resolves when it listens, and the cluster's network can reach it. */
export async function startHostProcess(parts: BridgeParts, options: HostProcessOptions): Promise<HostProcess> {
  const { command, cwd, ports, timeout, signal } = options
  const text = command.join(' ')
  const taken = ports.filter(({ local }) => local > 0)
  const before = await readListeners()
  const busy = taken.find(({ local, protocol }) => before.some((each) => each.port === local && each.protocol === protocol))
  if (busy)
    throw new ClusterTestError(
      'ERR_BRIDGE_LOCAL_FAILED',
      `Port ${busy.local}, on which "${text}" is to listen, is in use on this machine.`,
      {
        hint: `See who has it: ss -lptn 'sport = :${busy.local}'. Or let the command listen elsewhere, with ports: { ${busy.port}: … }.`,
      },
    )

  await using cleanup = new AsyncDisposableStack()
  let output = ''
  const child = spawn(command[0]!, command.slice(1), {
    cwd,
    env: { ...process.env, ...namesForProcess(command, options.env, parts.addresses(), options.namespace) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: npm and watchers start further processes.
    detached: true,
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`))
    child.once('close', (code, by) => resolve(by ? `was ended by ${by}` : `ended with exit code ${code}`))
  })
  let isOver = false
  let isWanted = false
  void (async () => {
    const why = await ended
    isOver = true
    if (isWanted) parts.onProblem(endedEarly(text, why, output))
  })()
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output = (output + chunk).slice(-100_000)))
  if (child.pid) {
    // Whoever has left the group may hold the pipes for ever.
    cleanup.defer(() => [child.stdout, child.stderr].forEach((stream) => stream.destroy()))
    const exited = new Promise((resolve) => child.once('exit', resolve))
    cleanup.use(trackGroup({ pid: child.pid, ended: exited, track: parts.trackChild }))
  }

  const deadline = performance.now() + timeout
  const listening = await poll(
    async () => {
      const now = await readListeners()
      const missing = ports.filter(({ local, protocol }) => !now.some((each) => each.port === local && each.protocol === protocol))
      if (missing.length === 0) return now
      const tail = lastLines(output)
      const why = isOver
        ? `${await ended} before it listened`
        : performance.now() > deadline
          ? `did not listen within ${timeout} ms`
          : undefined
      if (!why) return undefined
      throw new ClusterTestError(
        isOver ? 'ERR_BRIDGE_LOCAL_FAILED' : 'ERR_BRIDGE_NOT_LISTENING',
        `Command "${text}" ${why} on port ${missing.map(({ local }) => local).join(', ')}.${tail && `\n${tail}`}`,
        { hint: 'Map the ports of the pods to those that it listens on: ports: { 8080: 3000 }.' },
      )
    },
    { interval: 25, signal },
  )
  const forwards: Forward[] = []
  const { gateway, gateway6 } = parts.network
  for (const { port, protocol, local } of ports) {
    const own = listening.filter((each) => each.port === local && each.protocol === protocol)
    for (const address of gateway6 ? [gateway, gateway6] : [gateway]) {
      const isDirect = own.some(({ isLoopback, isIPv6 }) => !isLoopback && (isIPv6 || address === gateway))
      if (isDirect) forwards.push({ protocol, port, address, targetPort: local })
      else if (protocol === 'tcp') {
        const forwarder = cleanup.use(await startForwarder({ host: address, port: 0 }, () => ({ host: 'localhost', port: local })))
        forwards.push({ protocol, port, address, targetPort: forwarder.port })
      }
      // Over IPv6 what is left out is refused, which is all that a program without it can do.
      else if (address === gateway)
        throw new ClusterTestError('ERR_BRIDGE_NOT_LISTENING', `Command "${text}" takes datagrams for port ${local} on loopback only.`, {
          hint: 'Let it bind to 0.0.0.0. Connections are passed on to loopback, datagrams are not.',
        })
    }
  }
  const owned = cleanup.move()
  isWanted = true
  return {
    forwards,
    output: () => output,
    async [Symbol.asyncDispose]() {
      isWanted = false
      await owned.disposeAsync()
    },
  }
}

function endedEarly(text: string, why: string, output: string): ClusterTestError {
  const tail = lastLines(output)
  return new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `Command "${text}" ${why} while it was bridged.${tail && `\n${tail}`}`)
}

async function readListeners() {
  const tables = await Promise.all(
    ['tcp', 'tcp6', 'udp', 'udp6'].map(async (table) => `${table}\n${await readFile(`/proc/net/${table}`, 'utf8')}`),
  )
  return parseListeners(tables.join('\n'))
}

const reachable = new WeakSet<object>()

/**
 * Makes sure that the cluster's nodes reach this process at the gateway of their network: not so on Docker Desktop, whose
 * networks are in a virtual machine, or behind a firewall of the host.
 * @throws ClusterTestError `ERR_BRIDGE_HOST_UNREACHABLE`
 */
export async function checkHostPath(parts: BridgeParts, signal: AbortSignal): Promise<void> {
  const { cluster } = parts
  if (reachable.has(cluster)) return
  await checkAddress(parts, parts.network.gateway, signal)
  if (parts.network.gateway6) await checkAddress(parts, parts.network.gateway6, signal)
  reachable.add(cluster)
}

async function checkAddress({ docker, cluster }: BridgeParts, gateway: string, signal: AbortSignal): Promise<void> {
  const server = createServer((_, response) => response.end('reached'))
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, gateway, resolve))
    const { port } = server.address() as AddressInfo
    // Of all HTTP clients, kubectl is the one that every node image has.
    const url = `http://${bracketed(gateway)}:${port}`
    const kubectl = ['kubectl', '--kubeconfig=/dev/null', `--server=${url}`, '--request-timeout=3s', 'get', '--raw=/']
    await execInContainer(docker, cluster.nodes[0]!.name, kubectl)
  } catch (error) {
    signal.throwIfAborted()
    throw new ClusterTestError(
      'ERR_BRIDGE_HOST_UNREACHABLE',
      `The cluster cannot reach this machine at ${gateway}, the gateway of its Docker network: ${messageOf(error)}.`,
      {
        cause: error,
        hint: 'Let a firewall pass what comes from the Docker network, or bridge to a local container (image or build): on Docker Desktop that is the only way.',
      },
    )
  } finally {
    server.close()
    server.closeAllConnections()
  }
}
