import type { ContainerShell } from '../docker/container-shell.ts'
import type { Pod } from '../kube/types.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type NodeScriptOptions, applyScript, familiesOf, forgetScript, noteScript, removeScript, watchScript } from './node-scripts.ts'
import type { ContainerPort } from './ports.ts'
import type { BridgeTarget } from './target.ts'

export interface PodRulesOptions extends Omit<NodeScriptOptions, 'podCidrs' | 'match'> {
  readonly target: BridgeTarget
  readonly nodes: readonly { readonly name: string; readonly shell: ContainerShell; readonly podCidrs: readonly string[] }[]
  /** What noteConnections has found a while before. */
  readonly known: string
  /** Called when a pod cannot be given its rules while the bridge lives. */
  readonly onProblem: (error: unknown) => void
}

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
  const pods = new Set<string>()
  const onLine = (line: string) => {
    const [word, uid] = line.split(' ')
    if (word === 'pod' && uid) pods.add(uid)
  }
  const apply = async ({ name, shell, podCidrs }: (typeof nodes)[number], uids: readonly string[]) => {
    try {
      const printed = await shell.run(applyScript({ ...options, podCidrs, match: target.match }, uids, options.known))
      printed.split('\n').forEach(onLine)
    } catch (error) {
      throw rulesFailed(target.workload, name, error)
    }
  }

  cleanup.defer(async () => void (await Promise.all(nodes.map((node) => node.shell.run(removeScript(options, familiesOf(node)))))))
  const present = target.pods()
  await Promise.all(
    nodes.map(async (node) => {
      const uids = present.filter((pod) => pod.spec?.nodeName === node.name).map(uidOf)
      await apply(node, uids)
      // Not waited for: it looks for what has come meanwhile, and a pod takes longer to get ready than it to start.
      node.shell.start(watchScript({ ...options, podCidrs: node.podCidrs, match: target.match }), onLine)
    }),
  )

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
  return {
    pods,
    async forget() {
      await Promise.all(nodes.map((node) => node.shell.run(forgetScript(options, familiesOf(node)))))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/**
 * The connections to ports of a workload's pods. Those that are there when a bridge starts have had the time since to send
 * a request; younger ones are waited for.
 */
export async function noteConnections(
  { target, nodes }: Pick<PodRulesOptions, 'target' | 'nodes'>,
  ports: readonly Pick<ContainerPort, 'port' | 'protocol'>[],
): Promise<string> {
  const present = target.pods()
  const printed = await Promise.all(
    nodes.map(async ({ name, shell }) => {
      const uids = present.filter((pod) => pod.spec?.nodeName === name).map(uidOf)
      return uids.length > 0 ? shell.run(noteScript(ports, uids)) : ''
    }),
  )
  return printed.join(' ').replaceAll('\n', ' ')
}

function uidOf({ metadata }: Pod): string {
  return metadata!.uid!
}

function rulesFailed(workload: string, node: string, cause: unknown): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_RULES_FAILED',
    `The rules for "${workload}" could not be set on node "${node}": ${messageOf(cause)}`,
    {
      cause,
      hint: 'The node image has to bring sh, nsenter, iptables-restore, conntrack and ctr, as those of k3s do.',
    },
  )
}
