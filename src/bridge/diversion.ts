import { isIPv6 } from '../support/ip-range.ts'
import { together } from '../support/together.ts'
import type { Claim } from './conflicts.ts'
import type { SentDisturbance } from './junction/disturbance.ts'
import type { JoinedRoute } from './junction/junctions.ts'
import type { RequestMatch } from './junction/match.ts'
import type { Route } from './junction/route.ts'
import { type PodRules, startPodRules } from './rules/pod-rules.ts'
import type { Forward } from './rules/rules.ts'
import type { BridgeTarget } from './rules/target.ts'
import type { SharedParts } from './shared-parts.ts'

/** How traffic comes to a bridge: by rules in the pods, or through a junction where several share a port. */
export interface Diversion {
  /** Resolves when the next request to any pod goes there. */
  set(forwards: readonly Forward[], signal: AbortSignal): Promise<void>
  /** Resolves when new connections to any pod are answered by that pod. */
  unset(): Promise<void>
  /** To be called when what answered has ended its connections: none of them outlives this. */
  forget(): Promise<void>
  /** What goes there by rules of its own, as this machine reaches it. */
  direct(): Promise<readonly Forward[]>
  /** UIDs of the pods that have the rules. */
  pods(): ReadonlySet<string>
}

interface DiversionOptions {
  readonly id: string
  readonly target: BridgeTarget
  /** Whether what answers is on this machine, not in a container. */
  readonly isOnThisMachine: boolean
  readonly match: readonly RequestMatch[] | undefined
  readonly mirror: boolean
  readonly disturbance: SentDisturbance | undefined
  /** Whether kubelet's probes go on to the original container. */
  readonly keepProbes: boolean
}

interface Diverted {
  readonly direct: readonly Forward[]
  readonly joined: readonly JoinedRoute[]
  readonly rules: PodRules | undefined
  /** What brings it to this machine. */
  readonly led: AsyncDisposableStack
}

const nothing: Diverted = { direct: [], joined: [], rules: undefined, led: new AsyncDisposableStack() }

export function createDiversion(parts: SharedParts, options: DiversionOptions): Diversion {
  const { id, target, isOnThisMachine, match, mirror, disturbance, keepProbes } = options
  const { junctions, claims, nodes, onProblem } = parts
  let current = nothing
  let former: Pick<Diverted, 'rules' | 'led'> | undefined
  const ended = new AbortController()
  // Which way a port takes depends on what other bridges of the workload have set.
  const inTurn = <T>(action: () => Promise<T>) => parts.inTurn(`${target.namespace}/${target.workload}/${target.container.name}`, action)

  /** Where a bridge shares a port, each request is looked at; elsewhere no process is in the way. */
  const isShared = ({ protocol, port }: Forward) =>
    match !== undefined || mirror || disturbance !== undefined || (protocol === 'tcp' && junctions.has(target, port))
  /** As a junction, which is on this machine, reaches it. */
  const reachable = async (forward: Forward): Promise<Forward> => {
    if (isOnThisMachine || disturbance) return forward
    const { host, port } = await (await parts.reach()).to({ host: forward.address, port: forward.targetPort })
    return { ...forward, address: host, targetPort: port }
  }
  const join = async (forward: Forward): Promise<JoinedRoute> => {
    const besides = claims.beside(id, target).map(async (other) => {
      const forwards = (await other.direct()).filter(({ port }) => port === forward.port)
      return forwards.map((each) => routeOf(other, each))
    })
    const direct = (await Promise.all(besides)).flat()
    const route = {
      ...routeOf({ id, onProblem }, await reachable(forward)),
      match,
      mirror,
      disturbance: disturbance && { ...disturbance, ended: ended.signal },
    }
    return junctions.join(target, forward.port, route, { keepProbes, direct })
  }

  return {
    set: (forwards, signal) =>
      inTurn(async () => {
        signal.throwIfAborted()
        await using cleanup = new AsyncDisposableStack()
        const shared = forwards.filter(isShared)
        const direct = forwards.filter((each) => !shared.includes(each))
        const joins = shared.filter(isIPv4).map((each) => async () => cleanup.use(await join(each)))
        const joined = await together(signal, joins)
        const led = cleanup.use(new AsyncDisposableStack())
        const sent = isOnThisMachine && direct.length > 0 ? await (await parts.reach()).lead(direct, led) : direct
        const rules = direct.length > 0 ? await startPodRules({ target, id, nodes, forwards: sent, keepProbes, onProblem }) : undefined
        current = { direct, joined, rules, led }
        cleanup.move()
      }),
    unset() {
      // What is held up keeps nobody waiting.
      ended.abort()
      return inTurn(async () => {
        const { joined, rules } = current
        if (rules) former = current
        current = nothing
        const ways: readonly AsyncDisposable[] = rules ? [rules, ...joined] : joined
        await Promise.all(ways.map((each) => each[Symbol.asyncDispose]()))
      })
    },
    async forget() {
      await former?.rules?.forget()
      await former?.led.disposeAsync()
    },
    direct: () => Promise.all(current.direct.filter(isIPv4).map(reachable)),
    pods: () => (current.rules ?? current.joined[0]?.rules)?.pods ?? new Set(),
  }
}

/** A junction speaks IPv4 to what answers, whatever its callers speak. */
function isIPv4({ address }: Forward): boolean {
  return !isIPv6(address)
}

/** One that takes everything. */
function routeOf({ id, onProblem }: Pick<Claim, 'id' | 'onProblem'>, { address, targetPort }: Forward): Route {
  return { id, endpoint: { host: address, port: targetPort }, match: undefined, mirror: false, onProblem }
}
