import { formatDuration } from '../support/format.ts'
import { type RunRecord, type StepRecord, type SuiteRecord, hasFailed } from './model.ts'

/** Milliseconds by what took them. Steps that run at the same time count each, so that the sum is more than the total. */
export type Timings = Readonly<Record<string, number>>

const order = ['queue', 'create', 'image', 'import', 'apply', 'wait', 'seed', 'bridge', 'tests', 'teardown', 'total']

/** Of one suite, in the order of its life. */
export function timingsOf(suite: SuiteRecord): Timings {
  const steps = suite.steps.filter(({ state }) => state !== 'note')
  const times: Record<string, number> = {}
  for (const [step, own = []] of Object.entries(Object.groupBy(steps, ({ step }) => (step === 'cluster' ? 'create' : step))))
    times[step] = covered(own)
  const first = steps[0]
  // Without a slot a suite waits before its first step.
  if (first) times['queue'] = Math.max(0, Math.min(...steps.map(({ start }) => start)) - suite.started)
  if (suite.ready && suite.finished) times['tests'] = suite.finished - suite.ready
  if (suite.ended) times['total'] = suite.ended - suite.started
  const rank = (step: string) => (order.includes(step) ? order.indexOf(step) : order.indexOf('tests') - 0.5)
  return Object.fromEntries(
    Object.entries(times)
      .map(([step, time]) => [step, Math.round(time)] as const)
      .toSorted(([a], [b]) => rank(a) - rank(b)),
  )
}

/** For people, in one line: `create 9.5 s, import 1.0 s`. */
export function formatTimes(suite: SuiteRecord): string {
  return Object.entries(timingsOf(suite))
    .map(([step, time]) => `${step} ${formatDuration(time)}`)
    .join(', ')
}

/** How long at least one of them was under way. */
function covered(steps: readonly StepRecord[]): number {
  let sum = 0
  let until = 0
  for (const { start, duration } of steps.toSorted((a, b) => a.start - b.start)) {
    sum += Math.max(0, start + duration - Math.max(until, start))
    until = Math.max(until, start + duration)
  }
  return sum
}

/** For machines: `timings.json`. */
export function formatTimings({ started, ended, suites }: RunRecord, relative: (path: string) => string): string {
  const report = {
    version: 1,
    started: new Date(started).toISOString(),
    duration: (ended ?? Date.now()) - started,
    suites: suites.map((suite) => ({
      name: suite.name,
      file: relative(suite.file),
      cluster: suite.cluster,
      state: hasFailed(suite) ? 'failed' : 'passed',
      bundle: suite.bundle && relative(suite.bundle.folder),
      milliseconds: timingsOf(suite),
      tests: suite.tests.map(({ name, state, duration }) => ({ name, state, milliseconds: Math.round(duration) })),
    })),
  }
  return `${JSON.stringify(report, undefined, 2)}\n`
}

/** Head and rows of a table for people, one row for each suite. What takes no time anywhere has no column. */
export function timingTable(suites: readonly SuiteRecord[], format: (milliseconds: number) => string): readonly (readonly string[])[] {
  const rows = suites.map((suite) => ({ suite, times: timingsOf(suite) }))
  // Less than the last digit that is shown.
  const isSeen = (step: string) => rows.some(({ times }) => (times[step] ?? 0) >= 50)
  const used = new Set(rows.flatMap(({ times }) => Object.keys(times)).filter(isSeen))
  const steps = [...order.slice(0, -3), ...[...used].filter((step) => !order.includes(step)), ...order.slice(-3)].filter((step) =>
    used.has(step),
  )
  return [
    ['suite', ...steps],
    ...rows.map(({ suite, times }) => [suite.name, ...steps.map((step) => (times[step] === undefined ? '' : format(times[step])))]),
  ]
}
