import { describe as base, type SuiteAPI } from 'vitest'

import { type WithCluster, withCluster } from './with-cluster.ts'

type Chain = WithCluster & { readonly [Key in 'concurrent' | 'only' | 'skip' | 'todo' | 'shuffle']: SuiteAPI[Key] & Chain }

interface Conditional {
  skipIf(condition: unknown): SuiteAPI['skip'] & Chain
  runIf(condition: unknown): SuiteAPI['skip'] & Chain
}

/** vitest's `describe` with `withCluster`, also behind `.skip`, `.only`, `.concurrent`, `.skipIf(…)` and `.runIf(…)`. */
export type ClusterDescribe = Conditional & SuiteAPI & Chain

// A chain copies the properties of the function that it is made from (`describe.fn`) when it is made (vitest 5.1).
Object.assign(base, { withCluster })
Object.assign((base as unknown as { fn: object }).fn, { withCluster })

export const describe = base as unknown as ClusterDescribe
