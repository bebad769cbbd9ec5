import type { BridgeFunctions } from '../bridge/requests.ts'
import type { HeldLease } from '../broker/client.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ClusterTestError } from '../support/errors.ts'

interface LeasedParts {
  readonly cluster: Pick<Cluster, 'name' | 'kubeconfigPath'>
  readonly namespace: string
  readonly bridges: BridgeFunctions
  /** Applies more objects; undefined where only the stack's file says what there is. */
  readonly apply?: (...args: Parameters<HeldLease['apply']>) => Promise<void>
}

/** A hold on a cluster whose owner is this process: of a command, not of a test. Disposal ends nothing but what waits. */
export function inProcessLease({ cluster: { name, kubeconfigPath }, namespace, bridges, apply = refuseApply }: LeasedParts): HeldLease {
  const ended = new AbortController()
  return {
    lease: { name, namespace, kubeconfigPath, isShared: false, isUp: false, addressesFile: '', bundle: undefined, setup: '' },
    signal: ended.signal,
    bridges,
    apply,
    fail: () => {},
    testFailed: async () => {},
    remember: () => {},
    async [Symbol.asyncDispose]() {
      ended.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The command has ended.'))
    },
  }
}

function refuseApply(): Promise<void> {
  return Promise.reject(
    new ClusterTestError('ERR_OPTIONS_INVALID', 'cluster.apply is for tests: what a stack has stands in its file.', {
      hint: 'Write it into the option `manifests`.',
    }),
  )
}
