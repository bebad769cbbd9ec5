import { inject } from 'vitest'

import type { BrokerAddress } from '../broker/lease.ts'
import { ClusterTestError } from '../support/errors.ts'

/**
 * @param project of the file that runs; empty where vitest has one only
 * @throws ClusterTestError `ERR_BROKER_NOT_RUNNING`
 */
export function brokerAddress(project = ''): BrokerAddress {
  const address = inject('vitest-kubernetes')
  if (address) return address
  throw new ClusterTestError(
    'ERR_BROKER_NOT_RUNNING',
    `The vitest-kubernetes plugin, which owns the clusters, is not in the config of ${project ? `project "${project}"` : 'vitest'}.`,
    {
      hint: `Add it to ${project ? "the project's config, or set extends: true in the project" : 'vitest.config.ts'}: import { kubernetes } from 'vitest-kubernetes/plugin' and plugins: [kubernetes()].`,
    },
  )
}

declare module 'vitest' {
  interface ProvidedContext {
    'vitest-kubernetes': BrokerAddress
  }
}
