import type { LeaseRequest } from '../engine/request.ts'
import type { RunningSuite } from '../engine/start-suite.ts'
import { withDeadline } from '../support/deadline.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { Lease, LeaseFunctions } from './lease.ts'

/** One connection, one lease: disposal takes all of it away. */
export interface Session extends AsyncDisposable {
  /** What the worker may call at this moment: bridges come with the lease. */
  readonly functions: () => Partial<LeaseFunctions>
  /** Says that the worker is gone without a word. */
  fail(): void
}

type StartSuite = (request: LeaseRequest, held: AsyncDisposableStack, signal: AbortSignal) => Promise<RunningSuite>

export function createSession(start: StartSuite): Session {
  const held = new AsyncDisposableStack()
  const running = createRunning()
  let suite: RunningSuite | undefined
  const current = () => {
    if (suite) return suite
    throw new ClusterTestError('ERR_SETUP_CANCELLED', 'The suite has no cluster: it has not begun, or it has ended.')
  }
  const end = async (...[failed, requests]: Parameters<LeaseFunctions['release']>): Promise<void> => {
    await using _held = held
    const ending = current()
    suite = undefined
    await running.settled()
    if (failed) ending.fail()
    await ending.finish(failed, requests)
  }
  let released: Promise<void> | undefined
  const own = running.track<Omit<LeaseFunctions, 'release' | keyof RunningSuite['bridges']>>({
    async lease(request, signal) {
      suite = await start(request, held, signal)
      return leaseOf(suite)
    },
    async apply(manifests, timeout, signal) {
      const running = current()
      const deadline = {
        limit: timeout,
        code: 'ERR_WORKLOAD_NOT_READY',
        what: 'cluster.apply',
        hint: 'Raise its option "timeout".',
      } as const
      await withDeadline({ ...deadline, signal }, (each) => running.apply(manifests, each))
      return leaseOf(running)
    },
    testFailed: async (requests) => current().testFailed(requests),
  })
  return {
    functions: () => ({ ...own, ...(suite && running.track(suite.bridges)), release: (...args) => (released ??= end(...args)) }),
    fail: () => suite?.fail(),
    async [Symbol.asyncDispose]() {
      await running.settled()
      // Whoever has asked for its end has heard of its errors.
      if (released) await Promise.allSettled([released])
      else await held.disposeAsync()
    },
  }
}

/** Calls under way: what they use must not go before they have ended. */
function createRunning() {
  const all = new Set<Promise<unknown>>()
  return {
    settled: () => Promise.allSettled(all),
    track<Functions extends object>(functions: Functions): Functions {
      const track =
        (call: (...args: unknown[]) => Promise<unknown>) =>
        (...args: unknown[]) => {
          const result = call(...args)
          all.add(result)
          const forget = () => void all.delete(result)
          result.then(forget, forget)
          return result
        }
      return Object.fromEntries(Object.entries(functions).map(([name, call]) => [name, track(call)])) as Functions
    },
  }
}

function leaseOf({ cluster: { name, kubeconfigPath }, namespace, isShared, isUp, addressesFile, bundle, setup }: RunningSuite): Lease {
  return { name, kubeconfigPath, namespace, isShared, isUp, addressesFile, bundle, setup }
}
