import type { ContainerShell } from '../../docker/container-shell.ts'
import type { Pod } from '../../kube/types.ts'
import { whileWaiting } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { ShellScript } from '../../support/shell-script.ts'
import { type NodeScriptOptions, applyScript, familiesOf, forgetScript, removeScript, resetScript, watchScript } from './node-scripts.ts'
import { rulesFailed } from './rules-failed.ts'
import { runWhereActive } from './run-where-active.ts'
import type { BridgeTarget } from './target.ts'
import { untilBack } from './until-back.ts'

interface RuledNode {
  readonly name: string
  readonly shell: ContainerShell
  readonly podCidrs: readonly string[]
}

export interface PodRulesOptions extends Omit<NodeScriptOptions, 'podCidrs' | 'match'> {
  readonly target: BridgeTarget
  readonly nodes: readonly RuledNode[]
  /** Called when a pod cannot be given its rules while the bridge lives. */
  readonly onProblem: (error: unknown) => void
}

/** Milliseconds for one script: setting rules in many pods of a busy machine takes some seconds. */
const timeout = 30_000

/** The rules in all pods of a workload, those to come included. */
export interface PodRules extends AsyncDisposable {
  /** UIDs of the pods that have them. */
  readonly pods: ReadonlySet<string>
  /** To be called after disposal, once the local side has ended its connections: none of them outlives this. */
  forget(): Promise<void>
}

/**
 * Sends what arrives at the workload's pods to the local side. Resolves when every pod that is there does so, and the nodes
 * watch for new ones; its disposal resolves when new connections go to the pods again.
 */
export async function startPodRules(options: PodRulesOptions): Promise<PodRules> {
  const { target, nodes, onProblem } = options
  await using cleanup = new AsyncDisposableStack()
  const stop = new AbortController()
  const pods = new Set<string>()
  const onLine = (line: string) => {
    const [word, uid] = line.split(' ')
    if (word === 'pod' && uid) pods.add(uid)
  }
  const apply = async ({ name, shell, podCidrs }: RuledNode, uids: readonly string[]) => {
    try {
      const printed = await shell.run(applyScript({ ...options, podCidrs, match: target.match }, uids), { timeout })
      printed.split('\n').forEach(onLine)
    } catch (error) {
      throw rulesFailed(`"${target.workload}"`, name, error)
    }
  }
  const podsOn = ({ name }: RuledNode) => target.allPods().filter((pod) => pod.spec?.nodeName === name)
  const start = async (node: RuledNode) => {
    node.shell.atEnd(options.id, [removeScript(options), forgetScript(options, familiesOf(node))])
    await apply(node, podsOn(node).map(uidOf))
    const { promise: watching, resolve } = Promise.withResolvers<void>()
    node.shell.start(
      watchScript({ ...options, podCidrs: node.podCidrs, match: target.match }),
      (line) => (line === 'watching' ? resolve() : onLine(line)),
      () => {
        resolve()
        restored.add(restore(node))
      },
    )
    // A pod that comes later takes longer to get ready than the watch to start; one that is on its way may not.
    if (podsOn(node).every((pod) => pods.has(uidOf(pod)))) return
    await whileWaiting(watching, AbortSignal.timeout(timeout)).catch((error: unknown) => {
      throw rulesFailed(`"${target.workload}"`, node.name, error)
    })
  }

  // A node that was restarted makes new sandboxes for the pods that it had.
  const restored = new Set<Promise<void>>()
  const restore = async (node: RuledNode) => {
    if (stop.signal.aborted) return
    onProblem(nodeStopped(target.workload, node.name))
    try {
      await untilBack(node.shell, stop.signal)
      for (const pod of podsOn(node)) pods.delete(uidOf(pod))
      healed.clear()
      await node.shell.run(resetScript(options), { timeout })
      await start(node)
      heal()
    } catch (error) {
      if (!stop.signal.aborted) onProblem(error)
    }
  }

  let isSet = false
  const onNodes = async (script: (node: RuledNode) => ShellScript) =>
    void (await Promise.all(nodes.map((node) => runWhereActive(node.shell, script(node), { timeout }))))
  const forget = async () => {
    await onNodes((node) => forgetScript(options, familiesOf(node)))
    for (const { shell } of nodes) shell.atEnd(options.id, [])
  }
  cleanup.defer(async () => {
    await onNodes(() => removeScript(options))
    if (!isSet) await forget()
  })
  cleanup.defer(async () => {
    stop.abort(new Error('The bridge has ended.'))
    await Promise.all(restored)
  })
  await Promise.all(nodes.map(start))

  // What the nodes' own watch missed, because a pod was faster than its start, or containerd was restarted.
  const healed = new Map<string, Promise<void>>()
  const heal = () => {
    for (const pod of target.pods()) {
      const key = `${uidOf(pod)} ${pod.status?.podIP}`
      const node = nodes.find(({ name }) => name === pod.spec?.nodeName)
      if (!node || !pod.status?.podIP || pods.has(uidOf(pod)) || healed.has(key)) continue
      healed.set(key, apply(node, [uidOf(pod)]).catch(onProblem))
    }
  }
  cleanup.defer(async () => void (await Promise.all(healed.values())))
  cleanup.use(target.onChange(heal))
  heal()
  await Promise.all(healed.values())

  const owned = cleanup.move()
  isSet = true
  return {
    pods,
    forget,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function uidOf({ metadata }: Pod): string {
  return metadata!.uid!
}

function nodeStopped(workload: string, node: string): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_RULES_FAILED',
    `Node "${node}" has stopped. Its pods of "${workload}" are bridged again when it is back.`,
  )
}
