import { withNodeLogs } from '../cluster/node-logs.ts'
import type { UpCluster } from '../cluster/ownership/kept-clusters.ts'
import type { Docker } from '../docker/docker.ts'
import { whileWaiting } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { StartFrom, StartedCluster } from './cluster-life.ts'
import { keepUntil } from './keep.ts'
import type { PooledCluster } from './pooled-cluster.ts'
import type { LeaseRequest } from './request.ts'

/** What a suite has of a cluster that exists or may be started now. */
export interface Reservation extends AsyncDisposable {
  /** Resolves to the cluster once it runs. Whoever comes first says what it starts from. */
  enter(signal: AbortSignal, from?: StartFrom): Promise<StartedCluster>
  /** The error of a set-up, with what the nodes say if the time was up while they were created. */
  explain(error: unknown): Promise<unknown>
  /** Says that the suite has failed. */
  fail(): void
  /** Whether the suite's cluster stays for people to look into. */
  readonly isKept: boolean
  /** Takes what the suite leaves in a cluster that stays, until a suite uses it again. */
  leave(part: AsyncDisposable): void
  /** The stack that is up, where the suite uses one. */
  readonly up: UpCluster | undefined
}

/** @param owned what its disposal ends */
export function createReservation(
  docker: Docker,
  pooled: PooledCluster,
  { options: { keep = 'never', keepFor }, up }: LeaseRequest,
  owned: AsyncDisposableStack,
): Reservation {
  const { life } = pooled
  let hasFailed = false
  let hasEntered = false
  const isKept = () => (up ? !hasFailed : keep === 'always' || (keep === 'on-failure' && hasFailed))
  return {
    up: undefined,
    async enter(signal, from) {
      const started = await whileWaiting(life.start(from), signal)
      hasEntered = true
      return started
    },
    async explain(error) {
      const isLate = error instanceof ClusterTestError && error.code === 'ERR_SETUP_TIMEOUT' && !life.isRunning
      return isLate ? await withNodeLogs(docker, life.name, error) : error
    },
    fail: () => void (hasFailed = true),
    get isKept() {
      return isKept()
    },
    leave: (part) => pooled.leave(part),
    async [Symbol.asyncDispose]() {
      if (hasEntered && isKept()) pooled.keep(up ? Infinity : keepUntil(keepFor))
      await owned.disposeAsync()
    },
  }
}
