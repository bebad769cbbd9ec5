import type { Owner } from '../../cluster/ownership/owner.ts'
import type { ImageSubstitutes } from '../../stack/images/image-names.ts'
import type { EngineParts } from '../parts.ts'

/** What every suite of a run in a cluster of others shares. Docker is no part of it. */
export interface LeasedParts {
  readonly owner: Owner
  /** Private folder of the run. */
  readonly folder: string
  readonly relayImage: string
  /** Where images are pushed that are built. */
  readonly registry: string | undefined
  readonly buildNetwork: string | undefined
  /** Absolute paths of what a run writes. */
  readonly outputs: readonly string[]
  readonly substitutes: ImageSubstitutes
  readonly trackChild: EngineParts['trackChild']
}
