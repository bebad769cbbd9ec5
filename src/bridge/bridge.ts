import { ClusterTestError, messageOf } from '../support/errors.ts'
import type { BridgeParts } from './bridges.ts'
import { readEnv } from './container-facts.ts'
import { createMember, findOther, findSource } from './create-member.ts'
import { selectEnv } from './env.ts'
import { type HostProcess, checkHostPath, startHostProcess } from './host-process.ts'
import { joinContainer } from './join-container.ts'
import { waitForListeners } from './member.ts'
import { reachPodAddress } from './pod-address.ts'
import { type PodRules, startPodRules } from './pod-rules.ts'
import { type PortMapping, choosePorts } from './ports.ts'
import { keepFilesCurrent } from './refresh-files.ts'
import type { BridgeCall, BridgeRequest, OpenBridge, OpenMember } from './requests.ts'
import type { Forward } from './rules.ts'
import { type BridgeTarget, findTarget } from './target.ts'

/** A bridge, from the moment that its target is known. */
export interface OpenedBridge extends AsyncDisposable {
  readonly id: string
  readonly answer: OpenBridge
  /** `namespace/workload/container`; empty for a local container that replaces nothing. */
  readonly target: string
  readonly ports: readonly PortMapping[]
  /** Resolves when the next request to any pod is answered by the local side. */
  set(call: BridgeCall & { call: 'set' }, signal: AbortSignal): Promise<void>
  /** Resolves when new connections to any pod are answered by that pod. Disposal ends the old ones too. */
  unset(): Promise<void>
  /** UIDs of the pods that are bridged. */
  pods(): Iterable<string>
  /** What a process on the host has printed. */
  output(): string
  /** What went wrong since it was set. */
  readonly problems: readonly string[]
}

interface OpenOptions<Request> {
  readonly id: string
  readonly request: Request
  readonly signal: AbortSignal
}

/** The whole life of a bridge, top to bottom: what it replaces, the local side, the rules, and all of it undone. */
export async function openBridge(
  shared: BridgeParts,
  { id, request, others, signal }: OpenOptions<BridgeRequest> & { readonly others: readonly OpenedBridge[] },
): Promise<OpenedBridge> {
  const problems: string[] = []
  const onProblem = (error: unknown) => {
    problems.push(messageOf(error))
    shared.onProblem(error)
  }
  const parts = { ...shared, onProblem }
  const { docker, cluster, network } = parts
  const { workload, namespace = parts.namespace, side } = request
  await using cleanup = new AsyncDisposableStack()
  const target = cleanup.use(await findTarget({ kube: cluster.kube, namespace, workload, container: request.containerName, signal }))
  const ports = choosePorts(target.ports, request.ports, workload)
  refuseSecond(target, ports, others)

  let member: OpenMember | undefined
  let process: HostProcess | undefined
  let forwards: readonly Forward[] | undefined
  const source = side.kind === 'member' || side.kind === 'command' ? await findSource(parts, side, target, signal) : undefined
  if (side.kind === 'member') {
    member = await createMember(parts, side, { cleanup, namespace, source, signal })
  } else if (side.kind === 'command') {
    await checkHostPath(parts, signal)
    const env = selectEnv(source ? await readEnv(docker, source) : {}, side.env)
    process = cleanup.use(await startHostProcess(parts, { ...side, env, ports, namespace, timeout: request.timeout, signal }))
    forwards = process.forwards
  } else if (side.kind === 'container') {
    const joined = cleanup.use(await joinContainer(parts, side.id, ports, request.timeout, signal))
    forwards = forwardTo(joined.address, ports)
  } else {
    await checkHostPath(parts, signal)
  }

  let rules: PodRules | undefined
  let former: PodRules | undefined
  const unset = async () => {
    former = rules ?? former
    rules = undefined
    await former?.[Symbol.asyncDispose]()
  }
  const owned = cleanup.move()
  return {
    id,
    target: keyOf(target),
    ports,
    answer: { id, ports, gateway: network.gateway, member },
    async set(call, abort) {
      if (member && call.container) {
        await waitForListeners(docker, member.holder, ports, {
          isAlive: async () => (await docker.engine.getContainer(call.container!).inspect()).State.Running,
          timeout: request.timeout,
          what: `The local container for "${workload}"`,
          signal: abort,
        })
        forwards = forwardTo(member.address, ports)
        if (member.podAddress) {
          const tcp = ports.filter(({ protocol }) => protocol === 'tcp').map(({ local }) => local)
          await reachPodAddress(docker, member.holder, member.podAddress, tcp)
        }
        if (source && side.kind === 'member' && side.files) owned.use(keepFilesCurrent(parts, source, call.container))
      }
      rules = await startPodRules({
        target,
        id,
        nodes: parts.nodes,
        forwards: call.forwards ?? forwards ?? [],
        keepProbes: request.probes === 'original',
        onProblem,
      })
      owned.use(noteOtherPorts(target, ports, onProblem))
    },
    unset,
    pods: () => target.pods().flatMap(({ metadata }) => (rules?.pods.has(metadata!.uid!) ? [metadata!.uid!] : [])),
    output: () => process?.output() ?? '',
    problems,
    async [Symbol.asyncDispose]() {
      try {
        await unset()
      } finally {
        // Whatever becomes of the rules, the local side has to go too. Its last packets still need the way back.
        await owned.disposeAsync()
        await former?.forget()
      }
    },
  }
}

/** A local container that replaces nothing. */
export async function openMember(
  parts: BridgeParts,
  { id, request, signal }: OpenOptions<(BridgeCall & { call: 'run' })['request']>,
): Promise<OpenedBridge> {
  const { namespace = parts.namespace } = request
  await using cleanup = new AsyncDisposableStack()
  const { from } = request.env
  const source = from ? await findOther(parts, namespace, from, request.containerName, signal) : undefined
  const member = await createMember(parts, request, { cleanup, namespace, source, signal })
  const owned = cleanup.move()
  return {
    id,
    target: '',
    ports: [],
    answer: { id, ports: [], gateway: parts.network.gateway, member },
    async set({ container }) {
      if (source && request.files && container) owned.use(keepFilesCurrent(parts, source, container))
    },
    unset: async () => {},
    pods: () => [],
    output: () => '',
    problems: [],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function forwardTo(address: string, ports: readonly PortMapping[]): readonly Forward[] {
  return ports.map(({ protocol, port, local }) => ({ protocol, port, address, targetPort: local }))
}

function keyOf({ namespace, workload, container }: BridgeTarget): string {
  return `${namespace}/${workload}/${container.name}`
}

/** A rollout may change the ports. Those of the bridge stay, so that what comes through the new ones reaches the pods. */
function noteOtherPorts(target: BridgeTarget, ports: readonly PortMapping[], onProblem: (error: unknown) => void): Disposable {
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
    `Port "${name}" of "${workload}" is ${other} in new pods. It was ${port} when the bridge began, so that the new pods answer on it themselves.`,
    { hint: 'Dispose the bridge and start another one.' },
  )
}

function refuseSecond(target: BridgeTarget, ports: readonly PortMapping[], others: readonly OpenedBridge[]): void {
  const holder = others.find(
    (other) =>
      other.target === keyOf(target) &&
      other.ports.some(({ port, protocol }) => ports.some((each) => each.port === port && each.protocol === protocol)),
  )
  if (!holder) return
  throw new ClusterTestError(
    'ERR_BRIDGE_ALREADY_BRIDGED',
    `Workload "${target.workload}" is bridged already: bridge "${holder.id}" has port ${holder.ports.map(({ port }) => port).join(', ')} of its container "${target.container.name}".`,
    { hint: 'Dispose the first bridge, or give the two different ports.' },
  )
}
