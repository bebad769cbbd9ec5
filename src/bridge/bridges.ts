import { startContainerShell } from '../docker/container-shell.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { randomId } from '../support/identity.ts'
import { createTurns } from '../support/turns.ts'
import { type OpenedBridge, openBridge, openMember } from './bridge.ts'
import { createClaims } from './conflicts.ts'
import { openCut } from './cut.ts'
import { createJunctions } from './junction/junctions.ts'
import { createLocalCallers } from './local-callers.ts'
import type { BridgeParts, BridgesOptions } from './parts.ts'
import { createFindReach } from './reach/find-reach.ts'
import type { BridgeFunctions } from './requests.ts'
import { readClusterNetwork } from './rules/cluster-network.ts'
import { findIptables } from './rules/node-scripts.ts'
import type { SharedParts } from './shared-parts.ts'
import { readEnvOf } from './side/replaced-env.ts'

/** All bridges of a cluster. Disposal ends them, the last one first. */
export interface Bridges extends BridgeFunctions, AsyncDisposable {
  /** Lets each of them know of a problem that is none of theirs. */
  tell(error: unknown): void
}

export function createBridges(options: BridgesOptions): Bridges {
  const owned = new AsyncDisposableStack()
  const open = new Map<string, OpenedBridge>()
  const cuts = new Map<string, AsyncDisposable>()
  const inTurn = createTurns()
  let connected: Promise<SharedParts> | undefined
  /** Suites without bridges pay nothing; a connection that failed is tried again. */
  const parts = (signal: AbortSignal): Promise<SharedParts> =>
    (connected ??= connect(options, { owned, tell }, signal).catch((error: unknown) => {
      connected = undefined
      throw error
    }))
  const tell = (error: unknown) => open.forEach(({ problems }) => void problems.push(messageOf(error)))
  const keep = <Opened extends OpenedBridge>(opened: Opened): Opened => {
    open.set(opened.id, opened)
    return opened
  }
  const find = (id: string) => findOpen(open, id)
  const close = async (id: string, among: Map<string, AsyncDisposable> = open): Promise<void> => {
    const opened = among.get(id)
    among.delete(id)
    await opened?.[Symbol.asyncDispose]()
  }

  return {
    openBridge: async (request, signal) => keep(await openBridge(await parts(signal), { id: randomId(4), request, signal })).answer,
    async openRun(request, signal) {
      const { id, member } = keep(await openMember(await parts(signal), { id: randomId(4), request, signal }))
      return { id, member }
    },
    bringFiles: (id, container, signal) => find(id).bringFiles(container, signal),
    setBridge: (id, side, signal) => inTurn(id, () => find(id).set(side, signal)),
    unsetBridge: (id) => inTurn(id, () => find(id).unset()),
    closeBridge: (id) => inTurn(id, () => close(id)),
    async openCut(request, signal) {
      const id = randomId(4)
      cuts.set(id, await openCut(await parts(signal), { id, request, signal }))
      return id
    },
    closeCut: (id) => inTurn(id, () => close(id, cuts)),
    readEnv: async (request, signal) => readEnvOf(await parts(signal), request, signal),
    replacedEnv: async (id) => find(id).env(),
    bridgedPods: async (id) => [...find(id).pods()],
    bridgeOutput: async (id) => find(id).output(),
    tell,
    bridgeProblems: async (id) => find(id).problems,
    async [Symbol.asyncDispose]() {
      await using ends = owned
      for (const among of [open, cuts]) for (const id of among.keys()) ends.defer(() => inTurn(id, () => close(id, among)))
    },
  }
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for one that is closed */
export function findOpen<Opened>(open: ReadonlyMap<string, Opened>, id: string): Opened {
  const found = open.get(id)
  if (found) return found
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `There is no bridge "${id}": it has been closed.`)
}

interface ConnectOptions {
  /** For what lives as long as the bridges. */
  readonly owned: AsyncDisposableStack
  /** Lets every bridge know. */
  readonly tell: (error: unknown) => void
}

/** What all bridges of a cluster share, first of all a shell in each node. */
async function connect(options: BridgesOptions, { owned, tell }: ConnectOptions, signal: AbortSignal): Promise<SharedParts> {
  const { docker, cluster } = options
  const [network, shells] = await Promise.all([
    readClusterNetwork(docker, cluster, signal),
    Promise.all(cluster.nodes.map(async ({ container }) => owned.use(await startContainerShell(docker, container, findIptables)))),
  ])
  const onProblem = (error: unknown) => options.progress({ kind: 'note', step: 'bridge', text: messageOf(error) })
  const onProblemOfAll = (error: unknown) => {
    tell(error)
    onProblem(error)
  }
  const parts: BridgeParts = {
    ...options,
    network,
    reach: createFindReach({ ...options, network, shell: shells[0]!, onProblem: onProblemOfAll, owned }),
    nodes: cluster.nodes.map(({ name }, index) => ({ name, shell: shells[index]!, podCidrs: network.podCidrs.get(name)! })),
    onProblem,
  }
  return { ...parts, junctions: createJunctions(parts), claims: createClaims(), localCallers: createLocalCallers(), inTurn: createTurns() }
}
