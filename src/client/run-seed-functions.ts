import type { KubeClient } from '../kube/client.ts'
import { resettable, saveStores } from '../seed/reset.ts'
import type { SuiteClusterOptions } from '../stack/options.ts'
import { seedFunctions } from '../stack/seed-options.ts'
import { withDeadline } from '../support/deadline.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import type { TestCluster } from './test-cluster.ts'

/**
 * Runs the functions of the option `seed` in order, and makes what they left the state that `cluster.reset` goes back to.
 * @throws ClusterTestError `ERR_SEED_FAILED` with what a function threw as its cause
 */
export async function runSeedFunctions(options: SuiteClusterOptions, cluster: TestCluster, kube: KubeClient): Promise<void> {
  const functions = seedFunctions(options.seed)
  if (functions.length === 0) return
  for (const [index, run] of functions.entries()) {
    try {
      await run({ cluster: cluster as never })
    } catch (error) {
      const which = functions.length === 1 ? 'The function' : `Function ${index + 1} of ${functions.length}`
      throw new ClusterTestError('ERR_SEED_FAILED', `${which} of option \`seed\` threw: ${messageOf(error)}`, { cause: error })
    }
  }
  const deadline = {
    limit: options.setupTimeout ?? 300_000,
    code: 'ERR_SETUP_TIMEOUT',
    what: 'To save what the functions of option `seed` have stored',
    hint: 'Raise the option "setupTimeout" of the suite.',
  } as const
  await withDeadline(deadline, (signal) => saveStores(resettable(options), { kube, namespace: cluster.namespace, signal }))
}
