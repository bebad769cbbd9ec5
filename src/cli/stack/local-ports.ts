import { type Socket, connect, createServer } from 'node:net'

import type { TcpServer } from '../../bridge/options.ts'
import type { TestCluster } from '../../client/test-cluster.ts'
import { podTemplate } from '../../kube/pod-template.ts'
import type { Pod } from '../../kube/types.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { reset } from '../../support/reset-socket.ts'

/** `http:3000`: a port of the pods, by name or number, and the one that listens on this machine. */
export interface LocalPort {
  /** undefined for the only one that there is. */
  readonly port: string | undefined
  readonly local: number
}

/** `3000`, `http:3000`, `8080:3000,9090:3001`. @throws ClusterTestError `ERR_OPTIONS_INVALID` */
export function parsePorts(option: '--port' | '--bridge', text: string | undefined): readonly LocalPort[] {
  if (text === undefined) return []
  const all = text.split(',').map((each): LocalPort => {
    const [, port, local] = /^(?:([a-z0-9-]+):)?(\d+)$/.exec(each.trim()) ?? []
    if (Number(local) > 0 && Number(local) < 65_536) return { port, local: Number(local) }
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected ${option} to name a port of this machine, got "${each}".`, {
      hint: 'Write 3000, or name the port of the pods: http:3000,9090:3001.',
    })
  })
  if (all.length > 1 && all.some(({ port }) => port === undefined))
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Expected each of several ports in ${option} to name its port of the pods, got "${text}".`,
      {
        hint: 'Write http:3000,9090:3001.',
      },
    )
  return all
}

/** As the option `ports` of a bridge takes them: to a command, which has not started. */
export async function portsOf(
  cluster: TestCluster,
  workload: string,
  ports: readonly LocalPort[],
): Promise<Readonly<Record<string, number>> | undefined> {
  if (ports.length === 0) return undefined
  const named = ports.map(async ({ port, local }) => [port ?? (await onlyPort(cluster, workload)), local] as const)
  return Object.fromEntries(await Promise.all(named))
}

/** As the option `server` of a bridge takes them: to what listens already. */
export function serversFor(ports: readonly LocalPort[]): TcpServer | Readonly<Record<string, TcpServer>> {
  const [first] = ports
  if (first && first.port === undefined) return forwarder(first.local)
  return Object.fromEntries(ports.map(({ port, local }) => [port!, forwarder(local)]))
}

/** Each connection to one of a program that listens on loopback, as `localhost` has it. */
function forwarder(port: number): TcpServer {
  return createServer({ allowHalfOpen: true }, (incoming) => {
    const outgoing = connect({ host: 'localhost', port, allowHalfOpen: true, noDelay: true })
    const end = (one: Socket, other: Socket) => {
      one.on('error', () => reset(other))
      one.on('close', (hadError) => !hadError && other.destroySoon())
    }
    end(incoming, outgoing)
    end(outgoing, incoming)
    incoming.setNoDelay(true).pipe(outgoing).pipe(incoming)
  })
}

async function onlyPort(cluster: TestCluster, workload: string): Promise<string> {
  const object = await cluster.get(workload)
  const spec = (podTemplate(object)?.spec ?? object['spec']) as Pod['spec'] | undefined
  const all = (spec?.containers ?? []).flatMap(({ ports = [] }) => ports).filter(({ protocol = 'TCP' }) => protocol === 'TCP')
  const found = all.length === 1 ? all[0] : all.find(({ name }) => name === 'http')
  if (found) return String(found.containerPort)
  throw new ClusterTestError(
    'ERR_BRIDGE_PORT_NOT_FOUND',
    `"${workload}" declares ${all.length} TCP ports, and nothing says which one is meant.`,
    {
      hint: 'Name it: --port 8080:3000.',
    },
  )
}
