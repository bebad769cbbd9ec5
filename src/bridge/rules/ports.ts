import type { Pod, Service } from '../../kube/types.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'

export type Protocol = 'tcp' | 'udp'

/** A port of the container that is replaced. */
export interface ContainerPort {
  readonly port: number
  readonly protocol: Protocol
  /** As the container declares it, or else the name of the Service's port that leads to it; empty where neither has one. */
  readonly name: string
}

/** A port of the container and the one that answers for it on the local side. */
export interface PortMapping extends ContainerPort {
  readonly local: number
}

type Container = NonNullable<Pod['spec']>['containers'][number]

/** Every port that the container is known to have: those that it declares, and those that Services send to it. */
export function listPorts(container: Container, containers: readonly Container[], services: readonly Service[]): readonly ContainerPort[] {
  const declared = portsOf(container)
  const others = containers.filter(({ name }) => name !== container.name).flatMap(portsOf)
  const isSame = (a: ContainerPort) => (b: ContainerPort) => a.port === b.port && a.protocol === b.protocol
  const targeted = services.flatMap(({ spec }) =>
    (spec?.ports ?? []).flatMap(({ name = '', port, targetPort, protocol }): ContainerPort[] => {
      // A name that the container does not declare belongs to another container, or to none.
      if (typeof targetPort === 'string' && !/^\d+$/.test(targetPort)) return []
      return [{ port: Number(targetPort ?? port), protocol: protocolOf(protocol), name }]
    }),
  )
  const found = [...declared]
  for (const each of targeted) if (!others.some(isSame(each)) && !found.some(isSame(each))) found.push(each)
  return found
}

/**
 * Which ports to bridge, and where each leads: all with the same number unless the user names some, as `{ http: 3000 }`,
 * `{ 8080: 3000 }` or, for a port that nothing declares, `{ '9229/tcp': 9229 }`.
 * @throws ClusterTestError `ERR_BRIDGE_NO_PORTS`, `ERR_BRIDGE_PORT_NOT_FOUND`
 */
export function choosePorts(
  known: readonly ContainerPort[],
  wanted: Readonly<Record<string, number>> | undefined,
  workload: string,
  { tcpOnly = false }: { readonly tcpOnly?: boolean } = {},
): readonly PortMapping[] {
  if (!wanted) {
    const fitting = tcpOnly ? known.filter(({ protocol }) => protocol === 'tcp') : known
    if (fitting.length > 0) return fitting.map((each) => ({ ...each, local: each.port }))
    throw new ClusterTestError(
      'ERR_BRIDGE_NO_PORTS',
      `The ports of "${workload}" are unknown: its container declares none, and no Service selects it.`,
      {
        hint: 'Set them: ports: { 8080: 3000 } sends port 8080 of the pods to port 3000 of your code.',
      },
    )
  }
  const chosen = Object.entries(wanted).map(([key, local]) => ({ ...findPort(known, key, workload), local }))
  const udp = chosen.find(({ protocol }) => tcpOnly && protocol === 'udp')
  if (udp)
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `Port ${udp.port} of "${workload}" is UDP, but a bridge with \`match\` or \`mirror\` supports only TCP.`,
      { hint: 'Use a separate bridge for it.' },
    )
  if (chosen.length > 0) return chosen
  throw new ClusterTestError('ERR_BRIDGE_NO_PORTS', `Option \`ports\` of the bridge for "${workload}" is empty.`, {
    hint: known.length > 0 ? `The container has ${listNames(known)}; omit \`ports\` to bridge all of them.` : 'Write { 8080: 3000 }.',
  })
}

export function findPort(known: readonly ContainerPort[], key: string, workload: string): ContainerPort {
  const [, number, protocol] = /^(\d+)(?:\/(tcp|udp))?$/.exec(key) ?? []
  if (number && protocol) return { name: '', ...known.find(matches), port: Number(number), protocol: protocol as Protocol }
  // With no port known, any number is right.
  if (number && known.length === 0) return { port: Number(number), protocol: 'tcp', name: '' }
  // A number alone is a TCP port where there is one: DNS servers have the same for both protocols.
  const found = known.find((each) => number && each.protocol === 'tcp' && matches(each)) ?? known.find(matches)
  if (found) return found
  throw new ClusterTestError('ERR_BRIDGE_PORT_NOT_FOUND', `The container of "${workload}" has no port "${key}".`, {
    hint: `It has ${listNames(known)}. For a port that nothing declares, add the protocol: "${number ?? 9229}/tcp".`,
  })

  function matches(each: ContainerPort): boolean {
    return number ? each.port === Number(number) && (!protocol || each.protocol === protocol) : each.name === key
  }
}

function portsOf(container: Container): ContainerPort[] {
  return (container.ports ?? []).map(({ containerPort, protocol, name = '' }) => ({
    port: containerPort,
    protocol: protocolOf(protocol),
    name,
  }))
}

function protocolOf(protocol = 'TCP'): Protocol {
  return protocol === 'UDP' ? 'udp' : 'tcp'
}

function listNames(ports: readonly ContainerPort[]): string {
  return formatList(
    ports.map(({ name, port, protocol }) => (name ? `${name} (${port})` : protocol === 'udp' ? `${port}/udp` : String(port))),
  )
}
