/** What is known of a run, for reports. Times are milliseconds since 1970, durations milliseconds. */
export interface RunRecord {
  readonly started: number
  ended: number | undefined
  readonly suites: SuiteRecord[]
}

/** One suite with a cluster. */
export interface SuiteRecord {
  /** vitest's id of the suite. */
  readonly id: string
  readonly name: string
  /** Absolute path of the test file. */
  readonly file: string
  readonly started: number
  ended: number | undefined
  cluster: string | undefined
  /** When the set-up was done and the first test could start. */
  ready: number | undefined
  /** When the last test had ended, and the teardown began. */
  finished: number | undefined
  /** Why the set-up failed. */
  failure: string | undefined
  readonly steps: StepRecord[]
  readonly pods: PodRecord[]
  readonly events: EventRecord[]
  readonly bridges: BridgeRecord[]
  readonly requests: RequestRecord[]
  readonly tests: TestRecord[]
  /** Entries that were left out to keep the report small. */
  dropped: number
  bundle: Bundle | undefined
}

export interface StepRecord {
  /** Such as `cluster`, `image`, `import`, `apply`, `wait`, `seed`, `teardown`. */
  readonly step: string
  readonly text: string
  readonly state: 'done' | 'failed' | 'note'
  readonly start: number
  readonly duration: number
}

export interface PodRecord {
  readonly namespace: string
  readonly name: string
  /** What it was at which time: `Pending`, `Running`, `Ready`, `CrashLoopBackOff`, … */
  readonly states: { readonly state: string; readonly at: number }[]
  restarts: number
  end: number | undefined
}

export interface EventRecord {
  readonly at: number
  readonly type: string
  readonly reason: string
  /** `pod/orders-1` */
  readonly object: string
  readonly message: string
}

export interface BridgeRecord {
  readonly id: string
  readonly workload: string
  /** `server`, `command`, `member` or `container`; `disturbance`; `cut`, of two workloads. */
  readonly side: string
  readonly start: number
  end: number | undefined
}

/** A request that a server in the test process received through a bridge. */
export interface RequestRecord {
  readonly at: number
  readonly workload: string
  readonly method: string
  readonly url: string
}

export interface TestRecord {
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped'
  readonly start: number
  readonly duration: number
  readonly errors: readonly string[]
}

/** What was written of a suite that failed. */
export interface Bundle {
  /** Absolute path. */
  readonly folder: string
  readonly files: readonly BundleFile[]
}

export interface BundleFile {
  /** Relative to the folder. */
  readonly path: string
  readonly text: string
}

export function hasFailed({ failure, tests }: SuiteRecord): boolean {
  return failure !== undefined || tests.some(({ state }) => state === 'failed')
}
