import { startContainerShell } from '../docker/container-shell.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { randomId } from '../support/identity.ts'
import { type OpenedBridge, openBridge, openMember } from './bridge.ts'
import { type Junctions, createJunctions } from './junction/junctions.ts'
import type { BridgesOptions, BridgeParts } from './parts.ts'
import type { BridgeCall, BridgeResults } from './requests.ts'
import { readClusterNetwork } from './rules/cluster-network.ts'
import { findIptables } from './rules/pod-scripts.ts'
import { readEnvOf } from './side/replaced-env.ts'

/** All bridges of a cluster. Disposal ends them, the last one first. */
export interface Bridges extends AsyncDisposable {
  handle<Call extends BridgeCall>(call: Call, signal: AbortSignal): Promise<BridgeResults[Call['call']]>
}

type ConnectedParts = BridgeParts & { readonly junctions: Junctions }

export function createBridges(options: BridgesOptions): Bridges {
  const owned = new AsyncDisposableStack()
  const open = new Map<string, OpenedBridge>()
  const connect = async (signal: AbortSignal): Promise<ConnectedParts> => {
    const { docker, cluster } = options
    const [network, shells] = await Promise.all([
      readClusterNetwork(docker, cluster, signal),
      Promise.all(cluster.nodes.map(async ({ name }) => owned.use(await startContainerShell(docker, name, findIptables)))),
    ])
    const connected = {
      ...options,
      network,
      nodes: cluster.nodes.map(({ name }, index) => ({ name, shell: shells[index]!, podCidrs: network.podCidrs.get(name)! })),
      onProblem: (error: unknown) => options.progress({ kind: 'note', step: 'bridge', text: messageOf(error) }),
    }
    return { ...connected, junctions: createJunctions(connected) }
  }
  let connected: Promise<ConnectedParts> | undefined
  /** Suites without bridges pay nothing; a connection that failed is tried again. */
  const parts = (signal: AbortSignal): Promise<ConnectedParts> =>
    (connected ??= connect(signal).catch((error: unknown) => {
      connected = undefined
      throw error
    }))
  const keep = (opened: OpenedBridge) => {
    open.set(opened.id, opened)
    owned.defer(() => opened[Symbol.asyncDispose]())
    return opened
  }
  const find = (id: string) => {
    const found = open.get(id)
    if (found) return found
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `There is no bridge "${id}": it has been closed.`)
  }

  const answer = async (call: BridgeCall, signal: AbortSignal): Promise<BridgeResults[keyof BridgeResults]> => {
    switch (call.call) {
      case 'open':
        return keep(
          await openBridge(await parts(signal), { id: randomId(4), request: call.request, others: () => [...open.values()], signal }),
        ).answer
      case 'run': {
        const { id, answer } = keep(await openMember(await parts(signal), { id: randomId(4), request: call.request, signal }))
        return { id, member: answer.member! }
      }
      case 'set':
        await find(call.id).set(call, signal)
        return null
      case 'env':
        return readEnvOf(await parts(signal), call, signal)
      case 'replaced-env':
        return find(call.id).env()
      case 'unset':
        await find(call.id).unset()
        return null
      case 'close': {
        const opened = open.get(call.id)
        open.delete(call.id)
        await opened?.[Symbol.asyncDispose]()
        return null
      }
      case 'pods':
        return [...find(call.id).pods()]
      case 'output':
        return find(call.id).output()
      case 'problems':
        return find(call.id).problems
    }
  }
  return {
    handle: answer as Bridges['handle'],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
