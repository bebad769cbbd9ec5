import { ClusterTestError } from '../support/errors.ts'
import type { BridgeParts } from './bridges.ts'
import { findRunning } from './container-facts.ts'
import { createMember, findSource } from './create-member.ts'
import { startHostFiles } from './host-files.ts'
import { type HostProcess, checkHostPath, startHostProcess } from './host-process.ts'
import { joinContainer } from './join-container.ts'
import { waitForListeners } from './member.ts'
import { sharePods } from './overlap.ts'
import { type PodRules, startPodRules } from './pod-rules.ts'
import { type PortMapping, choosePorts } from './ports.ts'
import { keepFilesCurrent, putInto } from './refresh-files.ts'
import { readSelectedEnv } from './replaced-env.ts'
import type { BridgeCall, BridgeRequest, OpenBridge, OpenMember } from './requests.ts'
import type { Forward } from './rules.ts'
import { type BridgeTarget, findTarget } from './target.ts'

/** A bridge, from the moment that its target is known. */
export interface OpenedBridge extends AsyncDisposable {
  readonly id: string
  readonly answer: OpenBridge
  /** undefined for a local container that replaces nothing. */
  readonly target: BridgeTarget | undefined
  readonly ports: readonly PortMapping[]
  /** Resolves when the next request to any pod is answered by the local side, to the environment of the replaced container. */
  set(call: BridgeCall & { call: 'set' }, signal: AbortSignal): Promise<Readonly<Record<string, string>>>
  /** Resolves when new connections to any pod are answered by that pod. Disposal ends the old ones too. */
  unset(): Promise<void>
  /** UIDs of the pods that are bridged. */
  pods(): Iterable<string>
  /** What a process on the host has printed. */
  output(): string
}

interface OpenOptions<Request> {
  readonly id: string
  readonly request: Request
  readonly signal: AbortSignal
}

/** The whole life of a bridge, top to bottom: what it replaces, the local side, the rules, and all of it undone. */
export async function openBridge(
  parts: BridgeParts,
  { id, request, others, signal }: OpenOptions<BridgeRequest> & { readonly others: readonly OpenedBridge[] },
): Promise<OpenedBridge> {
  const { docker, cluster, network } = parts
  const { workload, namespace = parts.namespace, side } = request
  await using cleanup = new AsyncDisposableStack()
  const target = cleanup.use(await findTarget({ kube: cluster.kube, namespace, workload, container: request.containerName, signal }))
  const ports = choosePorts(target.ports, request.ports, workload)
  refuseSecond(target, ports, others)

  let member: OpenMember | undefined
  let process: HostProcess | undefined
  let forwards: readonly Forward[] | undefined
  const source = await findSource(parts, side, target, { cleanup, signal })
  const env = readSelectedEnv(parts, side, source)
  // Whoever awaits it gets the error: nobody has to.
  env.catch(() => {})
  const files = 'files' in side && side.kind !== 'member' && side.files ? cleanup.use(await startHostFiles(parts, id, source)) : undefined
  if (side.kind === 'member') {
    member = await createMember(parts, side, { cleanup, namespace, source, env, signal })
  } else if (side.kind === 'command') {
    await checkHostPath(parts, signal)
    const own = { ...(await env), ...(files && { VITEST_KUBERNETES_ROOT: files.root }) }
    process = cleanup.use(await startHostProcess(parts, { ...side, env: own, ports, namespace, timeout: request.timeout, signal }))
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
    target,
    ports,
    answer: { id, ports, gateway: network.gateway, member, root: files?.root },
    async set(call, abort) {
      if (member && call.container) {
        await waitForListeners(docker, member.holder, ports, {
          isAlive: async () => (await docker.engine.getContainer(call.container!).inspect()).State.Running,
          timeout: request.timeout,
          what: `The local container for "${workload}"`,
          signal: abort,
        })
        forwards = forwardTo(member.address, ports)
        if (source && side.kind === 'member' && side.files) owned.use(keepFilesCurrent(parts, source, putInto(docker, call.container)))
      }
      rules = await startPodRules({
        target,
        id,
        nodes: parts.nodes,
        forwards: call.forwards ?? forwards ?? [],
        keepProbes: request.probes === 'original',
        onProblem: parts.onProblem,
      })
      return env
    },
    unset,
    pods: () => target.pods().flatMap(({ metadata }) => (rules?.pods.has(metadata!.uid!) ? [metadata!.uid!] : [])),
    output: () => process?.output() ?? '',
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
  const find = async (workload: string) =>
    findRunning(cleanup.use(await findTarget({ kube: parts.cluster.kube, namespace, workload, container: request.containerName, signal })))
  const source = from ? await find(from) : undefined
  const member = await createMember(parts, request, { cleanup, namespace, source, env: readSelectedEnv(parts, request, source), signal })
  const owned = cleanup.move()
  return {
    id,
    target: undefined,
    ports: [],
    answer: { id, ports: [], gateway: parts.network.gateway, member },
    async set({ container }) {
      if (source && request.files && container) owned.use(keepFilesCurrent(parts, source, putInto(parts.docker, container)))
      return member.env
    },
    unset: async () => {},
    pods: () => [],
    output: () => '',
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function forwardTo(address: string, ports: readonly PortMapping[]): readonly Forward[] {
  return ports.map(({ protocol, port, local }) => ({ protocol, port, address, targetPort: local }))
}

/** Ports belong to the pod, whichever of its containers answers. */
function refuseSecond(target: BridgeTarget, ports: readonly PortMapping[], others: readonly OpenedBridge[]): void {
  const holder = others.find(
    (other) =>
      other.target &&
      sharePods(other.target, target) &&
      other.ports.some(({ port, protocol }) => ports.some((each) => each.port === port && each.protocol === protocol)),
  )
  if (!holder) return
  throw new ClusterTestError(
    'ERR_BRIDGE_ALREADY_BRIDGED',
    `Workload "${target.workload}" is bridged already: bridge "${holder.id}" has port ${holder.ports.map(({ port }) => port).join(', ')} of its pods, for "${holder.target!.workload}".`,
    { hint: 'Dispose the first bridge, or give the two different ports.' },
  )
}
