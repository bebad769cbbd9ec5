import { inject } from 'vitest'

import type { BrokerAddress } from '../broker/lease.ts'
import { ClusterTestError } from '../support/errors.ts'

/** @throws ClusterTestError `ERR_BROKER_NOT_RUNNING` */
export function brokerAddress(): BrokerAddress {
  const address = inject('vitest-kubernetes')
  if (address) return address
  throw new ClusterTestError(
    'ERR_BROKER_NOT_RUNNING',
    'The vitest-kubernetes plugin, which owns the clusters, is not in the config of this project.',
    {
      hint: `Add it to vitest.config.ts: import { kubernetes } from 'vitest-kubernetes/plugin' and plugins: [kubernetes()].`,
    },
  )
}

declare module 'vitest' {
  interface ProvidedContext {
    'vitest-kubernetes': BrokerAddress
  }
}
