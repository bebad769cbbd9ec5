import type { KubeClient } from '../../kube/client.ts'
import { KubeStatusError } from '../../kube/client.ts'
import { apiPath } from '../../kube/kinds.ts'
import type { EndpointSlice, KubeList, Pod } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { poll } from '../../support/poll.ts'

/**
 * Waits until nodes, pods and endpoints of a fork are there again. What its API server says in the beginning is what was in the template:
 * only what has been reported since counts. No node is ready at first, as the fork has said of them.
 * @param old ids of containers that were in the template
 */
export async function waitForReturn(kube: KubeClient, old: readonly string[], signal: AbortSignal): Promise<void> {
  const ended = new Set(old)
  await poll(
    async () => {
      const lists = await whenAnswered(
        Promise.all([
          kube.request<KubeList<NodeStatus>>('GET', '/api/v1/nodes', { signal, timeout: 5_000 }),
          kube.request<KubeList<Pod>>('GET', '/api/v1/pods', { signal, timeout: 5_000 }),
          kube.request<KubeList<EndpointSlice>>('GET', apiPath('EndpointSlice'), { signal, timeout: 5_000 }),
        ]),
      )
      if (!lists) return undefined
      const [nodes, pods, slices] = lists
      const unfinished = pods.items.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
      const isThere =
        nodes.items.every(({ status }) => status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')) &&
        unfinished.every((pod) => hasReturned(pod, ended))
      const addresses = new Set(unfinished.flatMap(({ status }) => (status?.podIPs ?? []).map(({ ip }) => ip)))
      return isThere && slices.items.every((slice) => leadsTo(slice, addresses)) ? true : undefined
    },
    { interval: 100, signal },
  )
}

interface NodeStatus {
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly status: string }[]
  }
}

/** A template is made of pods that are all ready. */
function hasReturned(pod: Pod, ended: ReadonlySet<string>): boolean {
  return isPodReady(pod) && Boolean(pod.status?.containerStatuses?.every(({ containerID }) => !ended.has(containerID ?? '')))
}

/** Those of no pod are as they were. */
function leadsTo({ endpoints = [] }: EndpointSlice, addresses: ReadonlySet<string | undefined>): boolean {
  return (endpoints ?? []).every(({ targetRef, addresses: own }) => targetRef?.kind !== 'Pod' || own.every((each) => addresses.has(each)))
}

/** undefined while the API server does not answer yet, or not everything. */
export async function whenAnswered<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isStarting(error)) return undefined
    throw error
  }
}

function isStarting(error: unknown): boolean {
  if (error instanceof KubeStatusError) return [401, 403, 404, 429, 500, 503].includes(error.statusCode)
  return error instanceof ClusterTestError && error.code === 'ERR_KUBE_UNREACHABLE'
}
