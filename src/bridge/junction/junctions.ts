import type { Socket } from 'node:net'

import { ClusterTestError } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { shellScript } from '../../support/shell-script.ts'
import { createTurns } from '../../support/turns.ts'
import type { BridgeParts } from '../parts.ts'
import type { Endpoint } from '../rules/endpoint.ts'
import { createPassages } from '../rules/passages.ts'
import { type PodRules, startPodRules } from '../rules/pod-rules.ts'
import { type BridgeTarget, findTarget } from '../rules/target.ts'
import { type Junction, startJunction } from './junction.ts'
import type { Route } from './route.ts'

/** The ports of workloads at which several bridges, or a bridge and the original, share what comes. */
export interface Junctions {
  has(target: BridgeTarget, port: number): boolean
  /**
   * Resolves when requests for the route go there.
   * @param direct bridges of the port that take everything by rules of their own, and go on to
   */
  join(target: BridgeTarget, port: number, route: Route, options: { keepProbes: boolean; direct: readonly Route[] }): Promise<JoinedRoute>
}

/** Disposal resolves when no further request goes to the route, and those under way are answered if it was the last one. */
export interface JoinedRoute extends AsyncDisposable {
  readonly rules: PodRules
}

interface OpenJunction extends AsyncDisposable {
  readonly junction: Junction
  readonly rules: PodRules
  /** Routes that are here only. */
  readonly joined: Set<string>
}

export function createJunctions(parts: BridgeParts): Junctions {
  const open = new Map<string, OpenJunction>()
  const keyOf = ({ namespace, workload, container }: BridgeTarget, port: number) => `${namespace}/${workload}/${container.name}:${port}`
  // For each port: a junction may be ending when the next bridge comes.
  const inTurn = createTurns()
  const leave = async (key: string, route: Route) => {
    const opened = open.get(key)
    opened?.junction.remove(route.id)
    if (!opened?.joined.delete(route.id) || opened.joined.size > 0) return
    open.delete(key)
    await opened[Symbol.asyncDispose]()
  }

  return {
    has: (target, port) => open.has(keyOf(target, port)),
    join(target, port, route, { keepProbes, direct }) {
      const key = keyOf(target, port)
      return inTurn(key, async () => {
        const known = open.get(key)
        known?.junction.add(route)
        const opened = known ?? (await openJunction(parts, target, port, { keepProbes, routes: [...direct, route] }))
        opened.joined.add(route.id)
        open.set(key, opened)
        return { rules: opened.rules, [Symbol.asyncDispose]: () => inTurn(key, () => leave(key, route)) }
      })
    },
  }
}

async function openJunction(
  parts: BridgeParts,
  { workload, namespace, container }: BridgeTarget,
  port: number,
  { keepProbes, routes }: { readonly keepProbes: boolean; readonly routes: readonly Route[] },
): Promise<OpenJunction> {
  const { cluster, nodes, onProblem } = parts
  const id = randomId(4)
  await using cleanup = new AsyncDisposableStack()
  // One of its own: the bridge that came first may not be the last to go.
  const signal = AbortSignal.timeout(30_000)
  const target = cleanup.use(await findTarget({ cluster, namespace, workload, container: container.name, signal }))
  const passages = cleanup.use(createPassages(parts, id))
  const origins = new WeakMap<Socket, Promise<Endpoint>>()
  const findOriginal = async (socket: Socket): Promise<Endpoint> => {
    const pod = (await podBehind(parts, socket)) ?? anyPod(target)
    return passages.to(pod, port)
  }
  const original = (socket: Socket): Promise<Endpoint> => {
    const known = origins.get(socket) ?? findOriginal(socket)
    origins.set(socket, known)
    return known
  }
  const reach = await parts.reach()
  // What has come to a relay is taken still.
  const led = cleanup.use(new AsyncDisposableStack())
  const junction = cleanup.use(await startJunction({ workload, addresses: reach.addresses, original, onProblem }))
  for (const route of routes) junction.add(route)
  const listeners = junction.listeners.map((each) => ({ protocol: 'tcp' as const, port, address: each.address, targetPort: each.port }))
  const forwards = await reach.lead(listeners, led)
  const rules = await startPodRules({ target, id, nodes, forwards, keepProbes, onProblem })
  const owned = cleanup.move()
  return {
    junction,
    rules,
    joined: new Set(),
    async [Symbol.asyncDispose]() {
      // What is under way goes on until it is answered, and needs the way back.
      await using ends = new AsyncDisposableStack()
      ends.defer(() => rules.forget())
      ends.use(owned)
      await rules[Symbol.asyncDispose]()
    },
  }
}

const connectionNotes = shellScript<'address' | 'port' | 'from'>(import.meta.dirname, 'connection-notes.sh')

/** Which pod a connection came through: its node has given it an address of its own, and remembers. */
async function podBehind({ cluster, nodes, reach }: BridgeParts, socket: Socket): Promise<{ node: string; ip: string } | undefined> {
  const ends = (await reach()).endsOf(socket)
  const node = cluster.nodes.find(({ address }) => address === ends?.from.host)
  const shell = nodes.find(({ name }) => name === node?.name)?.shell
  if (!ends || !shell) return undefined
  const notes = connectionNotes({ address: ends.to.host, port: ends.to.port, from: ends.from.port })
  const found = await shell.run(notes, { timeout: 10_000 })
  const ip = /\bsrc=(\S+)/.exec(found)?.[1]
  return ip && node ? { node: node.name, ip } : undefined
}

function anyPod(target: BridgeTarget): { node: string; ip: string } {
  for (const { spec, status } of target.pods()) if (status?.podIP && spec?.nodeName) return { node: spec.nodeName, ip: status.podIP }
  throw new ClusterTestError('ERR_BRIDGE_NO_PODS', `Workload "${target.workload}" has no pods right now.`)
}
