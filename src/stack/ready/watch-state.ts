import type { KubeClient } from '../../kube/client.ts'
import { type Kind, type WorkloadKind, listPath, typed } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { EndpointSlice, KubeEvent, Pod } from '../../kube/types.ts'
import { watchList } from '../../kube/watch-list.ts'
import type { ClusterState } from './verdict.ts'

/** What a wait looks at, kept current by watches. */
export interface WatchedState extends Disposable {
  /** The state of this moment. */
  read(): ClusterState
}

export async function watchState(
  kube: KubeClient,
  kinds: readonly Exclude<WorkloadKind, 'Pod'>[],
  { signal, onChange }: { readonly signal: AbortSignal; readonly onChange: () => void },
): Promise<WatchedState> {
  using stack = new DisposableStack()
  const watch = async <T extends { metadata?: object }>(kind: Kind) =>
    stack.use(await watchList<T & { metadata: { name: string } }>(kube, listPath(kind, kube.scope), { onChange, signal }))
  const [pods, events, endpointSlices, workloads] = await Promise.all([
    watch<Pod & { metadata: object }>('Pod'),
    watch<KubeEvent>('Event'),
    watch<EndpointSlice>('EndpointSlice'),
    Promise.all(kinds.map(async (kind) => ({ kind, list: await watch<KubeObject>(kind) }))),
  ])
  const runningSince = new Map<string, number>()
  let isFirst = true
  const owned = stack.move()
  return {
    read() {
      const now = performance.now()
      for (const { status } of pods.items) {
        for (const { containerID, state } of status?.containerStatuses ?? []) {
          if (!containerID || !state?.running || runningSince.has(containerID)) continue
          // Of what ran before there is kubelet's word, in whole seconds.
          const before = isFirst ? Math.max(0, Date.now() - new Date(state.running.startedAt ?? Number.NaN).getTime() - 1_000) || 0 : 0
          runningSince.set(containerID, now - before)
        }
      }
      isFirst = false
      const all = (of: 'items' | 'deleted') => [
        ...workloads.flatMap(({ kind, list }) => list[of].map((item) => typed(kind, item))),
        ...pods[of].map((pod) => typed('Pod', pod)),
      ]
      return {
        objects: all('items'),
        deleted: all('deleted'),
        pods: pods.items,
        events: events.items,
        endpointSlices: endpointSlices.items,
        now: Date.now(),
        runningFor: (id) => now - (runningSince.get(id) ?? now),
      }
    },
    [Symbol.dispose]: () => owned.dispose(),
  }
}
