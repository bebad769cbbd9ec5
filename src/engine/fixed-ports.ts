import { isPortFree } from '../cluster/network/free-port.ts'
import type { KubeObject } from '../kube/object.ts'
import type { Service } from '../kube/types.ts'
import type { StackOptions } from '../stack/options.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'

/** A port of this machine that a port of a Service is to have. */
export interface FixedPort {
  readonly namespace: string
  readonly service: string
  readonly port: number
  readonly hostPort: number
}

/**
 * What the option `ports` says of the Services of a stack.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for a Service or a port that the stack does not have, and for a port of this machine that is named twice
 */
export function planPorts(ports: StackOptions['ports'], objects: readonly KubeObject[], defaultNamespace: string): readonly FixedPort[] {
  const services = objects.filter(({ kind }) => kind === 'Service') as unknown as readonly Service[]
  const planned = Object.entries(ports ?? {}).map(([key, hostPort]): FixedPort => {
    const [, name = '', namespace = defaultNamespace, wanted] = /^([^.:]+)(?:\.([^:]+))?(?::(.+))?$/.exec(key) ?? []
    const isOf = ({ metadata }: Service) => metadata?.name === name && (metadata.namespace ?? defaultNamespace) === namespace
    const service = services.find(isOf)
    if (!service)
      throw wrong(
        key,
        `the stack has no Service "${name}" in namespace "${namespace}"`,
        `It has ${formatList(services.map((each) => nameOf(each, defaultNamespace)))}.`,
      )
    const all = (service.spec?.ports ?? []).filter(({ protocol = 'TCP' }) => protocol === 'TCP')
    const found =
      wanted === undefined
        ? all.length === 1
          ? all[0]
          : all.find((each) => each.name === 'http')
        : all.find((each) => each.name === wanted || String(each.port) === wanted)
    if (!found) {
      const has = all.map((each) => `"${name}:${each.name ?? each.port}"`)
      throw wrong(
        key,
        wanted === undefined ? `Service "${name}" has ${all.length} TCP ports` : `Service "${name}" has no TCP port ${wanted}`,
        `Name one: ${has.join(', ')}.`,
      )
    }
    return { namespace, service: name, port: found.port, hostPort }
  })
  for (const { hostPort } of planned)
    if (planned.filter((each) => each.hostPort === hostPort).length > 1)
      throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`ports\` gives port ${hostPort} of this machine twice.`)
  return planned
}

/** @throws ClusterTestError `ERR_PORT_IN_USE` for a port that somebody on this machine listens on */
export async function refuseBusyPorts(ports: readonly FixedPort[]): Promise<void> {
  for (const { service, hostPort } of ports) if (!(await isPortFree(hostPort))) throw portInUse(hostPort, service)
}

export function portInUse(hostPort: number, service: string): ClusterTestError {
  const message = `Port ${hostPort}, which option \`ports\` gives to Service "${service}", is in use on this machine.`
  return new ClusterTestError('ERR_PORT_IN_USE', message, {
    hint: `Find the process that uses it (ss -lptn 'sport = :${hostPort}') or the stack (npx vitest-kubernetes list), or choose another port.`,
  })
}

/** By port of a Service. */
export function portChoice(ports: readonly FixedPort[]) {
  return (target: Omit<FixedPort, 'hostPort'>): number | undefined =>
    ports.find(({ namespace, service, port }) => namespace === target.namespace && service === target.service && port === target.port)
      ?.hostPort
}

function wrong(key: string, why: string, hint: string): ClusterTestError {
  return new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`ports\` names "${key}", but ${why}.`, { hint })
}

function nameOf({ metadata }: Service, defaultNamespace: string): string {
  const { name = '', namespace = defaultNamespace } = metadata ?? {}
  return namespace === defaultNamespace ? name : `${name}.${namespace}`
}
