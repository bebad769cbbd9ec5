import { setTimeout as sleep } from 'node:timers/promises'

import type { KubeClient } from '../../kube/client.ts'
import { apiPath, isWorkload, typed } from '../../kube/kinds.ts'
import { readPodLog } from '../../kube/logs.ts'
import type { EndpointSlice, KubeEvent, KubeObject, Pod } from '../../kube/types.ts'
import { type WatchedList, watchList } from '../../kube/watch-list.ts'
import { isLate } from '../../support/deadline.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatDuration } from '../../support/format.ts'
import { describeCluster, redactFor } from './diagnose.ts'
import { judgeReadiness } from './readiness.ts'
import type { ClusterState, Readiness } from './verdict.ts'

export interface WaitOptions {
  readonly signal: AbortSignal
  /** Whether a crash may still heal by something that goes on beside, such as a seed. @default () => false */
  readonly mayCrash?: () => boolean
  /** Which namespaces a report shows. @default all */
  readonly namespaces?: () => readonly string[] | undefined
  /** Called with what is still missing whenever that changes. */
  readonly onChange?: (pending: readonly Readiness[]) => void
}

/**
 * Waits by watch until every applied object is ready, and fails at once when one never will be.
 * @throws ClusterTestError `ERR_WORKLOAD_FAILED` or `ERR_SERVICE_NO_ENDPOINTS` with the reason and the last log lines,
 * `ERR_WORKLOAD_NOT_READY` with everything that is missing when the signal ends the wait
 */
export async function waitForReady(
  kube: KubeClient,
  applied: readonly KubeObject[],
  { signal, mayCrash = () => false, namespaces, onChange }: WaitOptions,
): Promise<void> {
  const started = performance.now()
  using stack = new DisposableStack()
  let wake = Promise.withResolvers<void>()
  const changed = () => wake.resolve()
  const watch = async <T extends { metadata?: object }>(path: string) =>
    stack.use(await watchList<T & { metadata: { name: string } }>(kube, path, { onChange: changed, signal }))

  const kinds = [...new Set(applied.filter(isWorkload).map(({ kind }) => kind))].filter((kind) => kind !== 'Pod')
  const [pods, events, endpointSlices, ...lists] = await Promise.all([
    watch<Pod>(apiPath('Pod')) as Promise<WatchedList<Pod & { metadata: { name: string } }>>,
    watch<KubeEvent>(apiPath('Event')),
    watch<EndpointSlice>(apiPath('EndpointSlice')),
    ...kinds.map((kind) => watch<KubeObject>(apiPath(kind))),
  ])
  const failedSince = new Map<string, number>()
  const runningSince = new Map<string, number>()
  let shown = ''
  let pending: readonly Readiness[] = []

  while (true) {
    const now = performance.now()
    for (const { status } of pods.items) {
      for (const { containerID, state } of status?.containerStatuses ?? []) {
        if (containerID && state?.running && !runningSince.has(containerID)) runningSince.set(containerID, now)
      }
    }
    const objects = (lists as WatchedList<KubeObject>[]).flatMap((list, index) => list.items.map((item) => typed(kinds[index]!, item)))
    const state: ClusterState = {
      objects: [...objects, ...pods.items.map((pod) => typed('Pod', pod))],
      pods: pods.items,
      events: events.items,
      endpointSlices: endpointSlices.items,
      runningFor: (id) => now - (runningSince.get(id) ?? now),
    }
    const judged = judgeReadiness(applied, state, mayCrash())
    pending = judged.filter((each) => each.state !== 'ready')
    if (pending.length === 0) return
    const final = firstFinal(judged, failedSince)
    if (final) throw await failure(kube, final, namespaces?.())

    const text = pending.map(describeReadiness).join('; ')
    if (text !== shown) onChange?.(pending)
    shown = text
    if (signal.aborted) break
    // A grace period ends without an event.
    await Promise.race([wake.promise, sleep(250, undefined, { signal }).catch(() => undefined)])
    wake = Promise.withResolvers<void>()
  }
  if (!isLate(signal)) throw signal.reason
  const redact = await redactFor(kube)
  const reasons = pending.map((each) => `  ${describeReadiness({ ...each, reason: redact(each.reason) })}`)
  throw new ClusterTestError(
    'ERR_WORKLOAD_NOT_READY',
    `Not ready after ${formatDuration(performance.now() - started)}:\n${reasons.join('\n')}\n${await describeCluster(kube, { namespaces: namespaces?.() })}`,
    {
      cause: signal.reason,
      hint: 'If they only need longer, raise "setupTimeout" of the suite, or "timeout" of cluster.apply.',
    },
  )
}

export function describeReadiness({ target, namespace, reason }: Readiness): string {
  return `${target}${namespace === 'default' ? '' : ` in namespace "${namespace}"`}: ${reason}`
}

/** The first failure that has lasted for its grace period. */
function firstFinal(judged: readonly Readiness[], since: Map<string, number>): Readiness | undefined {
  const now = performance.now()
  const failed = judged.filter(({ state }) => state === 'failed')
  const keys = new Set(failed.map(describeReadiness))
  for (const key of since.keys()) if (!keys.has(key)) since.delete(key)
  return failed.find((each) => {
    const key = describeReadiness(each)
    if (!since.has(key)) since.set(key, now)
    return now - since.get(key)! >= (each.grace ?? 0)
  })
}

async function failure(kube: KubeClient, failed: Readiness, namespaces: readonly string[] | undefined): Promise<ClusterTestError> {
  const code = failed.target.startsWith('service/') ? 'ERR_SERVICE_NO_ENDPOINTS' : 'ERR_WORKLOAD_FAILED'
  const log = failed.pod ? await lastLines(kube, failed) : ''
  // The reason may be what the container has said at its end.
  const redact = await redactFor(kube)
  const reason = describeReadiness({ ...failed, reason: redact(`${failed.reason}.${log}`) })
  return new ClusterTestError(code, `${reason}\n${await describeCluster(kube, { namespaces })}`, { hint: failed.hint })
}

async function lastLines(kube: KubeClient, { namespace, pod }: Readiness): Promise<string> {
  const { name, container, previous } = pod!
  try {
    const log = await readPodLog(kube, namespace, name, { container, previous, tail: 20 })
    return `\nLast lines of container "${container}":\n${log.trimEnd().replaceAll(/^/gm, '  ')}`
  } catch (error) {
    return `\nIts log cannot be read: ${messageOf(error)}`
  }
}
