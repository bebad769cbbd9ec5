import type { InTurn } from '../support/turns.ts'
import type { Claims } from './conflicts.ts'
import type { Junctions } from './junction/junctions.ts'
import type { LocalCallers } from './local-callers.ts'
import type { BridgeParts } from './parts.ts'

/** What the bridges of a cluster share, so that they do not get in each other's way. */
export interface SharedParts extends BridgeParts {
  readonly junctions: Junctions
  readonly claims: Claims
  readonly localCallers: LocalCallers
  /** One after the other for each workload. */
  readonly inTurn: InTurn
}
