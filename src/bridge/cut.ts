import type { Pod } from '../kube/types.ts'
import { ClusterTestError } from '../support/errors.ts'
import { together } from '../support/together.ts'
import type { LocalCaller, LocalCallers } from './local-callers.ts'
import type { CutRequest } from './requests.ts'
import type { CutSide } from './rules/cut-rules.ts'
import { type WorkloadPods, findPods } from './rules/find-pods.ts'
import { startNodeCuts } from './rules/node-cuts.ts'
import { sharePods } from './rules/overlap.ts'
import type { SharedParts } from './shared-parts.ts'

interface OpenOptions {
  readonly id: string
  readonly request: CutRequest
  readonly signal: AbortSignal
}

/**
 * The whole life of a cut. Resolves when no packet goes between the pods of two workloads, nor between one's and the local containers
 * in place of the other's; its disposal when they do again.
 */
export async function openCut(parts: SharedParts, { id, request, signal }: OpenOptions): Promise<AsyncDisposable> {
  const { cluster, nodes, localCallers, onProblem } = parts
  const { workloads, namespace = parts.namespace } = request
  await using cleanup = new AsyncDisposableStack()
  const find = (workload: string) => async (abort: AbortSignal) =>
    cleanup.use(await findPods({ cluster, namespace, workload, signal: abort }))
  const [a, b] = await together(signal, [find(workloads[0]), find(workloads[1])])
  if (sharePods(a, b))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `"${a.workload}" and "${b.workload}" are the same pods, or share some.`, {
      hint: 'A cut is between two workloads of which each has pods of its own.',
    })

  const sides = { A: followAddresses(a, localCallers), B: followAddresses(b, localCallers) }
  const addressesOf = (side: CutSide) => [...new Set(sides[side].current())].map((address) => ({ side, address }))
  const apart = cleanup.use(
    await startNodeCuts({
      id,
      what: `"${a.workload}" and "${b.workload}"`,
      nodes,
      matches: { A: a.match, B: b.match },
      addresses: () => [...addressesOf('A'), ...addressesOf('B')],
      onPod: (side, uid, addresses) => sides[side].found(uid, addresses),
      onProblem,
    }),
  )
  const told = new Set<LocalCaller>()
  const follow = async () => {
    noteHosts(localCallers.of(a), b.workload, told)
    noteHosts(localCallers.of(b), a.workload, told)
    await apart.update()
  }
  const followChange = () => follow().catch(onProblem)
  for (const pods of [a, b]) cleanup.use(pods.onChange(() => void followChange()))
  cleanup.use(localCallers.onChange(followChange))
  await follow()
  signal.throwIfAborted()
  return cleanup.move()
}

/** The addresses of one side. A node knows that of a new pod before the API does, which knows whose the pod is. */
function followAddresses(pods: WorkloadPods, callers: LocalCallers) {
  const found = new Map<string, readonly string[]>()
  const known = new Set<string>()
  return {
    current(): readonly string[] {
      for (const { metadata } of pods.inNamespace()) known.add(metadata!.uid!)
      const own = pods.allPods().filter(hasOwnAddress)
      return [
        ...own.flatMap(({ metadata, status }) => [...(status?.podIPs ?? []).map(({ ip }) => ip), ...(found.get(metadata!.uid!) ?? [])]),
        ...[...found].flatMap(([uid, addresses]) => (known.has(uid) ? [] : addresses)),
        ...callers.of(pods).flatMap(({ addresses }) => addresses),
      ]
    },
    found: (uid: string, addresses: readonly string[]) => void found.set(uid, addresses),
  }
}

/** That of a pod whose containers have ended may be another's. */
function hasOwnAddress({ spec, status }: Pod): boolean {
  return !spec?.hostNetwork && status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
}

function noteHosts(callers: readonly LocalCaller[], other: string, told: Set<LocalCaller>): void {
  for (const caller of callers) {
    if (caller.addresses.length > 0 || told.has(caller)) continue
    told.add(caller)
    caller.onProblem(
      new ClusterTestError(
        'ERR_BRIDGE_LOCAL_FAILED',
        `What the code on this machine sends to "${other}" is not cut off: it cannot be told from what the test sends. What it is sent is.`,
        { hint: `Run it in a container (image or build), or make "${other}" silent for all: cluster.disturb("${other}", { hang: true }).` },
      ),
    )
  }
}
