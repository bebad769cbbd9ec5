import { setTimeout as sleep } from 'node:timers/promises'

import type { KubeClient } from '../../kube/client.ts'
import { isWorkload } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import { isLate } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { Refused } from '../manifests/refused.ts'
import { describeReadiness, explainFailure, explainTimeout } from './explain-failure.ts'
import { readFacts } from './facts.ts'
import type { Work } from './may-help.ts'
import { judgeReadiness } from './readiness.ts'
import type { Facts, Judged, Readiness } from './verdict.ts'
import { watchState } from './watch-state.ts'

export interface WaitOptions {
  readonly signal: AbortSignal
  /** What goes on besides, such as a seed, and may still help. @default nothing */
  readonly work?: () => readonly Work[]
  /** What the API server has not taken yet, and is asked again. @default nothing */
  readonly refused?: () => readonly Refused[]
  /** Which namespaces a report shows. @default all */
  readonly namespaces?: () => readonly string[] | undefined
  /** Called with what is still missing whenever that changes. */
  readonly onChange?: (pending: readonly Readiness[]) => void
}

/**
 * Waits by watch until every applied object is ready, and fails as soon as one never will be.
 * @throws ClusterTestError `ERR_WORKLOAD_FAILED` or `ERR_SERVICE_NO_ENDPOINTS` with the reason and the last log lines,
 * `ERR_WORKLOAD_NOT_READY` with everything that is missing when the signal ends the wait
 */
export async function waitForReady(kube: KubeClient, applied: readonly KubeObject[], options: WaitOptions): Promise<void> {
  const { signal, work, refused = () => [], namespaces, onChange } = options
  const started = performance.now()
  let wake = Promise.withResolvers<void>()
  const all = [...applied, ...refused().map(({ manifest }) => manifest.object)]
  const kinds = [...new Set(all.filter(isWorkload).map(({ kind }) => kind))].filter((kind) => kind !== 'Pod')
  using watched = await watchState(kube, kinds, { signal, onChange: () => wake.resolve() })
  const since = new Map<string, number>()
  const facts = createFactReader(kube, signal)
  let shown = ''
  let pending: readonly Judged[] = []

  const surroundings = () => ({ work: work?.(), refused: refused(), namespaces: namespaces?.() })

  while (true) {
    const state = watched.read()
    const judge = (known?: Facts) => judgeReadiness(applied, { ...state, facts: known }, surroundings())
    let judged = judge()
    if (judged.some(({ needs }) => needs)) judged = judge(await facts(judged))
    pending = judged.filter((each) => each.state !== 'ready')
    if (pending.length === 0) return
    const final = finalFailures(judged, since)
    if (final[0]?.error) throw final[0].error
    if (final.length > 0) throw await explainFailure(kube, final, namespaces?.())

    const text = pending.map(describeReadiness).join('; ')
    if (text !== shown) onChange?.(pending)
    shown = text
    if (signal.aborted) break
    // A grace period ends without an event.
    await Promise.race([wake.promise, sleep(250, undefined, { signal }).catch(() => undefined)])
    wake = Promise.withResolvers<void>()
  }
  if (!isLate(signal)) throw signal.reason
  throw await explainTimeout(kube, pending, { started, cause: signal.reason, namespaces: namespaces?.() })
}

/** Milliseconds between two readings: a cluster changes dozens of times a second while it comes up. */
const factInterval = 2000

/** Reads what failures are judged by, now and then; undefined while the API server does not answer, and once the time is up. */
function createFactReader(kube: KubeClient, signal: AbortSignal): (judged: readonly Judged[]) => Promise<Facts | undefined> {
  let last: { readonly at: number; readonly key: string; readonly facts: Facts } | undefined
  return async (judged) => {
    const missing = judged.flatMap((each) => each.missing ?? [])
    const key = JSON.stringify(missing)
    if (last?.key === key && performance.now() - last.at < factInterval) return last.facts
    try {
      last = { key, facts: await readFacts(kube, missing, signal), at: performance.now() }
    } catch (error) {
      const isSilent = error instanceof ClusterTestError && error.code === 'ERR_KUBE_UNREACHABLE'
      if (!signal.aborted && !isSilent) throw error
    }
    return last?.facts
  }
}

/** The failures, once one of them has lasted for its grace period: that one first. */
function finalFailures(judged: readonly Judged[], since: Map<string, number>): readonly Judged[] {
  const now = performance.now()
  const keyOf = ({ namespace, target, cause, reason }: Judged) => `${namespace}/${target} ${cause ?? reason}`
  const failed = judged.filter(({ state }) => state === 'failed')
  const keys = new Set(failed.map(keyOf))
  for (const key of since.keys()) if (!keys.has(key)) since.delete(key)
  for (const key of keys) if (!since.has(key)) since.set(key, now)
  const first = failed.find((each) => now - since.get(keyOf(each))! >= (each.grace ?? 0))
  return first ? [first, ...failed.filter((each) => each !== first)] : []
}
