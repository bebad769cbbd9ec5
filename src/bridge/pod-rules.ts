import type { Cluster } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import { execInDocker } from '../docker/exec.ts'
import { streamExec } from '../docker/stream-exec.ts'
import type { Pod } from '../kube/types.ts'
import { watchList } from '../kube/watch-list.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type NodeScriptOptions, applyScript, removeScript, watchScript } from './node-scripts.ts'
import type { BridgeTarget } from './target.ts'

export interface PodRulesOptions extends Omit<NodeScriptOptions, 'podCidr' | 'match'> {
  readonly docker: Docker
  readonly cluster: Cluster
  readonly target: BridgeTarget
  /** Range of the pods of each node, by its name. */
  readonly podCidrs: ReadonlyMap<string, string>
  /** Called when a pod cannot be given its rules while the bridge lives. */
  readonly onProblem: (error: unknown) => void
  readonly signal: AbortSignal
}

/** The rules in all pods of a workload, those to come included. */
export interface PodRules extends AsyncDisposable {
  /** UIDs of the pods that have them. */
  readonly pods: ReadonlySet<string>
}

/**
 * Sends what arrives at the workload's pods to the local side. Resolves when every pod that is there does so, and the nodes
 * watch for new ones; its disposal resolves when none does.
 */
export async function startPodRules(options: PodRulesOptions): Promise<PodRules> {
  const { docker, cluster, target, id, podCidrs, signal } = options
  await using cleanup = new AsyncDisposableStack()
  const pods = new Set<string>()
  const present = await target.listPods(signal)

  cleanup.defer(async () => {
    const script = removeScript(options)
    await Promise.all(cluster.nodes.map(({ name }) => execInDocker(docker, name, ['sh', '-c', script])))
  })
  await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      const uids = present.filter((pod) => pod.spec?.nodeName === name).map(uidOf)
      const ready = Promise.withResolvers<void>()
      const script = watchScript({ ...options, match: target.match, podCidr: podCidrs.get(name)! }, uids)
      const running = await streamExec(docker, name, ['sh', '-c', script], (line) => {
        const [word, uid] = line.split(' ')
        if (word === 'ready') ready.resolve()
        else if (word === 'pod' && uid) pods.add(uid)
      })
      cleanup.defer(() => running.detach())
      running.ended.then(
        ({ stderr }) => ready.reject(rulesFailed(target.workload, name, stderr)),
        (error: unknown) => ready.reject(error),
      )
      await ready.promise
    }),
  )

  // What the nodes' own watch missed, because a node or containerd was restarted.
  const healing = new Map<string, Promise<void>>()
  const stopped = new AbortController()
  cleanup.defer(async () => {
    stopped.abort()
    await Promise.all(healing.values())
  })
  let list: { readonly items: readonly Pod[] } | undefined
  const heal = () => {
    for (const pod of list?.items ?? []) {
      const key = `${uidOf(pod)} ${pod.status?.podIP}`
      if (!isRunning(pod) || pods.has(uidOf(pod)) || healing.has(key) || !target.owns(pod) || stopped.signal.aborted) continue
      const work = execInDocker(docker, pod.spec!.nodeName!, ['sh', '-c', applyScript(id, [uidOf(pod)])]).then(
        () => void pods.add(uidOf(pod)),
        (error: unknown) => options.onProblem(rulesFailed(target.workload, pod.spec!.nodeName!, messageOf(error), error)),
      )
      healing.set(key, work)
    }
  }
  list = cleanup.use(
    await watchList<Pod & { metadata: { uid: string } }>(cluster.kube, `/api/v1/namespaces/${target.namespace}/pods`, {
      onChange: heal,
      signal: stopped.signal,
    }),
  )
  heal()
  await Promise.all(healing.values())

  const owned = cleanup.move()
  return { pods, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function isRunning({ metadata, status }: Pod): boolean {
  return status?.podIP !== undefined && !metadata?.deletionTimestamp && status.phase === 'Running'
}

function uidOf({ metadata }: Pod): string {
  return metadata!.uid!
}

function rulesFailed(workload: string, node: string, why: string, cause?: unknown): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_RULES_FAILED',
    `The rules for "${workload}" could not be set on node "${node}": ${why.trim() || 'no reason given'}.`,
    {
      cause,
      hint: 'The node image has to bring sh, nsenter, iptables-restore, conntrack and ctr, as those of k3s do.',
    },
  )
}
