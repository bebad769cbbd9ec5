import { messageOf } from '../support/errors.ts'
import { isIPv6 } from '../support/ip-range.ts'
import { type Claim, isSame, refuseConflict } from './conflicts.ts'
import type { JoinedRoute, Junctions } from './junction/junctions.ts'
import { type RequestMatch, decodeMatch } from './junction/match.ts'
import type { Route } from './junction/route.ts'
import { noteOtherPorts } from './other-ports.ts'
import type { BridgeParts } from './parts.ts'
import type { BridgeCall, BridgeRequest, OpenBridge, OpenMember } from './requests.ts'
import type { ClusterNetwork } from './rules/cluster-network.ts'
import { reachPodAddress } from './rules/pod-address.ts'
import { type PodRules, startPodRules } from './rules/pod-rules.ts'
import { type PortMapping, choosePorts } from './rules/ports.ts'
import type { Forward } from './rules/rules.ts'
import { findTarget } from './rules/target.ts'
import { findRunning } from './side/container-facts.ts'
import { createMember, findSource } from './side/create-member.ts'
import { bringFromPod } from './side/from-pod.ts'
import { startHostFiles } from './side/host-files.ts'
import { type HostProcess, checkHostPath, startHostProcess } from './side/host-process.ts'
import { joinContainer } from './side/join-container.ts'
import { reachLoopback, waitForListeners } from './side/member.ts'
import { keepFilesCurrent, putInto } from './side/refresh-files.ts'
import { readSelectedEnv } from './side/replaced-env.ts'

type Env = Readonly<Record<string, string>>

/** A bridge, from the moment that its target is known. */
export interface OpenedBridge extends Claim, AsyncDisposable {
  readonly answer: OpenBridge
  /** What goes to it by rules of its own, at this moment. */
  direct(): readonly Forward[]
  /** Resolves when the next request to any pod is answered by the local side. */
  set(call: BridgeCall & { call: 'set' }, signal: AbortSignal): Promise<void>
  /** Resolves when new connections to any pod are answered by that pod. Disposal ends the old ones too. */
  unset(): Promise<void>
  /** UIDs of the pods that are bridged. */
  pods(): Iterable<string>
  /** Environment of the replaced container, as the options select it. */
  env(): Promise<Env>
  /** What a process on the host has printed. */
  output(): string
  /** What went wrong since it was set. */
  readonly problems: readonly string[]
  onProblem(error: unknown): void
}

interface OpenOptions<Request> {
  readonly id: string
  readonly request: Request
  readonly signal: AbortSignal
}

/** The whole life of a bridge, top to bottom: what it replaces, the local side, the rules, and all of it undone. */
export async function openBridge(
  shared: BridgeParts & { readonly junctions: Junctions },
  { id, request, others, signal }: OpenOptions<BridgeRequest> & { readonly others: () => readonly OpenedBridge[] },
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
  const match = request.match && decodeMatch(request.match)
  const isSelective = match !== undefined || request.mirror
  const ports = choosePorts(target.ports, request.ports, workload, { tcpOnly: isSelective })
  refuseConflict(target, { ports, match, mirror: request.mirror }, others())

  const bringPorts = async (holder?: string) => {
    if (request.fromPod.length > 0) cleanup.use(await bringFromPod(parts, { target, ports: request.fromPod, holder }))
  }
  let member: OpenMember | undefined
  let process: HostProcess | undefined
  let forwards: readonly Forward[] | undefined
  const source = await findSource(parts, side, target, { cleanup, signal })
  let selected: Promise<Env> | undefined
  // Where the local side does not need it, it is read for whoever asks: it would be half of a bridge's start.
  const env = () => (selected ??= readSelectedEnv(parts, side, source))
  const files = 'files' in side && side.kind !== 'member' && side.files ? cleanup.use(await startHostFiles(parts, id, source)) : undefined
  if (side.kind === 'member') {
    member = await createMember(parts, side, { cleanup, namespace, source, env: env(), signal })
    await bringPorts(member.holder)
  } else if (side.kind === 'command') {
    await checkHostPath(parts, signal)
    await bringPorts()
    const own = { ...(await env()), ...(files && { VITEST_KUBERNETES_ROOT: files.root }) }
    process = cleanup.use(await startHostProcess(parts, { ...side, env: own, ports, namespace, timeout: request.timeout, signal }))
    forwards = process.forwards
  } else if (side.kind === 'container') {
    const joined = cleanup.use(await joinContainer(parts, side.id, ports, request.timeout, signal))
    forwards = forwardTo(joined, ports, network)
  }
  if (side.kind === 'server' || isSelective) await checkHostPath(parts, signal)
  if (side.kind === 'server') await bringPorts()

  // A single server is for one port, which is known when it listens.
  let held = ports
  let direct: readonly Forward[] = []
  let joined: readonly JoinedRoute[] = []
  let rules: PodRules | undefined
  let former: PodRules | undefined
  const unset = async () => {
    former = rules ?? former
    rules = undefined
    direct = []
    const left = joined
    joined = []
    await Promise.all([former?.[Symbol.asyncDispose](), ...left.map((route) => route[Symbol.asyncDispose]())])
  }
  /** Where a bridge shares a port, each request is looked at; elsewhere no process is in the way. */
  const join = async (shared: readonly Forward[]) => {
    joined = await Promise.all(
      shared.filter(isIPv4).map((forward) =>
        parts.junctions.join(target, forward.port, routeOf({ id, onProblem }, forward, match, request.mirror), {
          keepProbes: request.probes === 'original',
          direct: others()
            .filter((other) => isSame(target, other.target))
            .flatMap((other) =>
              other.direct().flatMap((each) => (each.port === forward.port && isIPv4(each) ? [routeOf(other, each)] : [])),
            ),
        }),
      ),
    )
  }
  const owned = cleanup.move()
  return {
    id,
    target,
    get ports() {
      return held
    },
    match,
    mirror: request.mirror,
    direct: () => direct,
    answer: { id, ports, gateway: network.gateway, gateway6: network.gateway6, member, root: files?.root },
    async set(call, abort) {
      if (member && call.container) {
        const onLoopback = await waitForListeners(docker, member.holder, ports, {
          container: call.container,
          what: `The local container for "${workload}"`,
          timeout: request.timeout,
          signal: abort,
        })
        await reachLoopback(docker, member.holder, onLoopback)
        forwards = forwardTo(member, ports, network)
        if (member.podAddress) {
          const tcp = ports.filter(({ protocol }) => protocol === 'tcp').map(({ local }) => local)
          await reachPodAddress(docker, member.holder, member.podAddress, tcp)
        }
        if (source && side.kind === 'member' && side.files) owned.use(keepFilesCurrent(parts, source, putInto(docker, call.container)))
      }
      const all = call.forwards ?? forwards ?? []
      held = ports.filter(({ port, protocol }) => all.some((forward) => forward.port === port && forward.protocol === protocol))
      const isShared = ({ protocol, port }: Forward) => isSelective || (protocol === 'tcp' && parts.junctions.has(target, port))
      await join(all.filter(isShared))
      owned.use(noteOtherPorts(target, ports, onProblem))
      direct = all.filter((forward) => !isShared(forward))
      if (direct.length === 0) return
      rules = await startPodRules({
        target,
        id,
        nodes: parts.nodes,
        forwards: direct,
        keepProbes: request.probes === 'original',
        onProblem,
      })
    },
    unset,
    pods: () => {
      const bridged = (rules ?? joined[0]?.rules)?.pods
      return target.pods().flatMap(({ metadata }) => (bridged?.has(metadata!.uid!) ? [metadata!.uid!] : []))
    },
    env,
    output: () => process?.output() ?? '',
    problems,
    onProblem,
    async [Symbol.asyncDispose]() {
      // Whatever becomes of the rules, the local side has to go too. Its last packets still need the way back.
      await using ends = new AsyncDisposableStack()
      ends.defer(() => former?.forget())
      ends.use(owned)
      await unset()
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
    match: undefined,
    mirror: false,
    direct: () => [],
    answer: { id, ports: [], gateway: parts.network.gateway, gateway6: parts.network.gateway6, member },
    async set({ container }) {
      if (source && request.files && container) owned.use(keepFilesCurrent(parts, source, putInto(parts.docker, container)))
    },
    unset: async () => {},
    pods: () => [],
    env: async () => member.env,
    output: () => '',
    problems: [],
    onProblem: parts.onProblem,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function forwardTo(
  { address, address6 }: { readonly address: string; readonly address6: string | undefined },
  ports: readonly PortMapping[],
  { gateway6 }: ClusterNetwork,
): readonly Forward[] {
  const addresses = address6 && gateway6 ? [address, address6] : [address]
  return addresses.flatMap((each) => ports.map(({ protocol, port, local }) => ({ protocol, port, address: each, targetPort: local })))
}

/** A junction speaks IPv4 to the local side, whatever its callers speak. */
function isIPv4({ address }: Forward): boolean {
  return !isIPv6(address)
}

function routeOf(
  { id, onProblem }: Pick<OpenedBridge, 'id' | 'onProblem'>,
  { address, targetPort }: Forward,
  match?: readonly RequestMatch[],
  mirror = false,
): Route {
  return { id, endpoint: { host: address, port: targetPort }, match, mirror, onProblem }
}
