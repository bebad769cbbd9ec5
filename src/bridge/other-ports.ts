import { ClusterTestError } from '../support/errors.ts'
import type { PortMapping } from './rules/ports.ts'
import type { BridgeTarget } from './rules/target.ts'

/** A rollout may change the ports. Those of the bridge stay, so that what comes through the new ones reaches the pods. */
export function noteOtherPorts(target: BridgeTarget, ports: readonly PortMapping[], onProblem: (error: unknown) => void): Disposable {
  const noted = new Set<string>()
  // The name may also be that of a Service's port.
  const named = (target.container.ports ?? []).filter(({ containerPort }) => ports.some(({ port }) => port === containerPort))
  return target.onChange(() => {
    for (const { spec } of target.pods()) {
      const declared = spec!.containers.find(({ name }) => name === target.container.name)?.ports ?? []
      for (const { name, containerPort } of named) {
        const other = declared.find((each) => name && each.name === name && each.containerPort !== containerPort)?.containerPort
        if (!other || noted.has(`${name} ${other}`)) continue
        noted.add(`${name} ${other}`)
        onProblem(otherPort(target.workload, name!, containerPort, other))
      }
    }
  })
}

function otherPort(workload: string, name: string, port: number, other: number): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_PORT_NOT_FOUND',
    `Port "${name}" of "${workload}" is ${other} in new pods. It was ${port} when the bridge started, so the new pods answer on it themselves.`,
    { hint: 'Dispose of the bridge and start a new one.' },
  )
}
