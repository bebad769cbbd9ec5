import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import { createQueue } from '../../support/turns.ts'
import type { BridgeParts } from '../parts.ts'
import { type PodAddress, createPassages } from '../rules/passages.ts'
import { startPodRules } from '../rules/pod-rules.ts'
import { loopbackJumps, loopbackRules } from '../rules/rules.ts'
import type { BridgeTarget } from '../rules/target.ts'
import { startForwarder } from './forwarder.ts'
import { restoreInHolder } from './member.ts'

export interface FromPodOptions {
  readonly target: BridgeTarget
  readonly ports: readonly number[]
  /** Container that owns the network namespace of the local side. @default this machine's */
  readonly holder?: string | undefined
}

/**
 * Brings ports of a pod's loopback, on which its sidecars listen, to the loopback of the local side. They lead to a pod that
 * is there, also after others have come and gone.
 * @throws ClusterTestError `ERR_BRIDGE_LOCAL_FAILED` when a port is in use on this machine
 */
export async function bringFromPod(parts: BridgeParts, { target, ports, holder }: FromPodOptions): Promise<AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack()
  const id = randomId(4)
  const { nodes, onProblem } = parts
  const rules = await startPodRules({ target, id, nodes, forwards: [], fromPod: ports, keepProbes: false, onProblem })
  cleanup.defer(async () => {
    await rules[Symbol.asyncDispose]()
    await rules.forget()
  })
  if (holder) cleanup.use(await leadLoopback(parts, holder, target, ports))
  else {
    const passages = cleanup.use(createPassages(parts, id))
    for (const port of ports) cleanup.use(await listenOnLoopback(port, target, async (pod) => passages.to(pod, port)))
  }
  const owned = cleanup.move()
  return { [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function leadLoopback(
  { docker, onProblem }: BridgeParts,
  holder: string,
  target: BridgeTarget,
  ports: readonly number[],
): Promise<AsyncDisposable> {
  const restore = (rules: string) => restoreInHolder(docker, holder, rules)
  let led = runningPod(target)?.ip
  await restore(loopbackRules(ports, led))
  await restore(loopbackJumps())
  const follow = async () => {
    const ip = runningPod(target)?.ip
    if (ip === led) return
    led = ip
    await restore(loopbackRules(ports, ip))
  }
  const inTurn = createQueue()
  const watch = target.onChange(() => void inTurn(follow).catch(onProblem))
  return {
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]()
      await inTurn(async () => {})
    },
  }
}

async function listenOnLoopback(port: number, target: BridgeTarget, way: (pod: PodAddress) => Promise<{ host: string; port: number }>) {
  try {
    return await startForwarder({ host: '127.0.0.1', port }, async () => {
      const pod = runningPod(target)
      if (!pod) throw new ClusterTestError('ERR_BRIDGE_NO_PODS', `Workload "${target.workload}" has no pods right now.`)
      return way(pod)
    })
  } catch (error) {
    throw new ClusterTestError(
      'ERR_BRIDGE_LOCAL_FAILED',
      `Port ${port} of the pods of "${target.workload}" cannot be forwarded to this machine: ${messageOf(error)}.`,
      {
        cause: error,
        hint: `Find the process that uses it: ss -lptn 'sport = :${port}'. A local container (image or build) has its own ports.`,
      },
    )
  }
}

function runningPod(target: BridgeTarget): PodAddress | undefined {
  const addressed = target.pods().filter(({ spec, status }) => status?.podIP && spec?.nodeName)
  const isReady = (pod: (typeof addressed)[number]) =>
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
  const found = addressed.find(isReady) ?? addressed[0]
  return found && { node: found.spec!.nodeName!, ip: found.status!.podIP! }
}
