import type { Pod } from '../kube/types.ts'
import { ClusterTestError } from '../support/errors.ts'
import { together } from '../support/together.ts'
import type { LocalCaller } from './local-callers.ts'
import type { CutRequest } from './requests.ts'
import type { CutAddress, CutSide } from './rules/cut-rules.ts'
import { type WorkloadPods, findPods } from './rules/find-pods.ts'
import { startNodeCuts } from './rules/node-cuts.ts'
import { sharePods } from './rules/overlap.ts'
import type { SharedParts } from './shared-parts.ts'

interface CutOptions {
  readonly id: string
  readonly request: CutRequest
  readonly signal: AbortSignal
}

/**
 * The whole life of a cut. Resolves when no packet goes between the pods of two workloads, nor between one's and the local containers
 * in place of the other's; its disposal when they do again.
 */
export async function openCut(parts: SharedParts, { id, request, signal }: CutOptions): Promise<AsyncDisposable> {
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

  const addresses = followAddresses({ A: a, B: b }, (pods) => localCallers.of(pods))
  const apart = cleanup.use(
    await startNodeCuts({
      id,
      what: `"${a.workload}" and "${b.workload}"`,
      nodes,
      matches: { A: a.match, B: b.match },
      addresses: addresses.current,
      onPod: addresses.found,
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

/** The addresses of both sides. A node knows those of a new pod before the API does. */
function followAddresses(sides: Readonly<Record<CutSide, WorkloadPods>>, callers: (pods: WorkloadPods) => readonly LocalCaller[]) {
  const early = new Map<string, { readonly side: CutSide; readonly addresses: readonly string[] }>()
  const seen = new Set<string>()
  const ofSide = (side: CutSide): readonly CutAddress[] => {
    const pods = sides[side].allPods()
    for (const { metadata } of pods) seen.add(metadata!.uid!)
    const all = [
      ...pods
        .filter(hasOwnAddress)
        .flatMap(({ metadata, status }) => [
          ...(status?.podIPs ?? []).map(({ ip }) => ip),
          ...(early.get(metadata!.uid!)?.addresses ?? []),
        ]),
      ...[...early].flatMap(([uid, pod]) => (pod.side === side && !seen.has(uid) ? pod.addresses : [])),
      ...callers(sides[side]).flatMap((caller) => caller.addresses),
    ]
    return [...new Set(all)].map((address) => ({ side, address }))
  }
  return {
    current: () => [...ofSide('A'), ...ofSide('B')],
    found: (side: CutSide, uid: string, addresses: readonly string[]) => void early.set(uid, { side, addresses }),
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
