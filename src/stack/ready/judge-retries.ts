import type { Job, Pod } from '../../kube/types.ts'
import { describeEnd } from './judge-containers.ts'
import type { Verdict } from './verdict.ts'

/** The default of `backoffLimit`: who writes more wants more tries. */
const defaultRetries = 6

/** A Job that fails again and again, by a new pod or in the same one: its fourth failure in a row counts as a crash loop does. */
export function judgeRetries({ spec }: Job, pods: readonly Pod[]): readonly Verdict[] {
  const failures = pods.map(lastFailure).filter((each) => each !== undefined)
  const lastSuccess = Math.max(0, ...pods.filter(({ status }) => status?.phase === 'Succeeded').map(endedAt))
  const inARow = failures.filter(({ at }) => at >= lastSuccess)
  const count = inARow.reduce((sum, { times }) => sum + times, 0)
  const last = inARow.toSorted((a, b) => b.at - a.at)[0]
  const parallel = Math.min(spec?.parallelism ?? 1, spec?.completions ?? 1)
  if (!last || count < 3 + Math.max(1, parallel)) return []
  const limit = spec?.backoffLimit ?? defaultRetries
  return [
    {
      state: 'failed',
      reason: `${last.what}, ${count} times in a row (backoffLimit is ${limit})`,
      pod: last.pod,
      cause: 'retries',
      crashes: limit > defaultRetries ? 1 : Infinity,
    },
  ]
}

/** Which container of a pod has ended with an error, and how: of a Job that has failed. */
export function describeFailure(pods: readonly Pod[]): Pick<Verdict, 'reason' | 'pod'> | undefined {
  const last = pods
    .map(lastFailure)
    .filter((each) => each !== undefined)
    .toSorted((a, b) => b.at - a.at)[0]
  return last && { reason: last.what, pod: last.pod }
}

interface Failure {
  readonly at: number
  readonly times: number
  readonly what: string
  readonly pod: NonNullable<Verdict['pod']>
}

function lastFailure(pod: Pod): Failure | undefined {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {}
  const statuses = [...initContainerStatuses, ...containerStatuses]
  const bad = statuses.find(({ state, lastState }) => (state?.terminated ?? lastState?.terminated ?? { exitCode: 0 }).exitCode !== 0)
  const exit = bad?.state?.terminated ?? bad?.lastState?.terminated
  if (!bad || !exit) return undefined
  const { name } = pod.metadata!
  return {
    at: Date.parse(String(exit.finishedAt ?? '')) || 0,
    times: bad.restartCount + (bad.state?.terminated || bad.state?.waiting?.reason === 'CrashLoopBackOff' ? 1 : 0),
    what: `pod "${name}", container "${bad.name}" ${describeEnd(exit)}`,
    pod: { name: name!, container: bad.name },
  }
}

function endedAt({ status }: Pod): number {
  return Math.max(0, ...(status?.containerStatuses ?? []).map(({ state }) => Date.parse(String(state?.terminated?.finishedAt ?? '')) || 0))
}
