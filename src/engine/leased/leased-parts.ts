import type { Owner } from '../../cluster/ownership/owner.ts'
import type { ImageSubstitutes } from '../../stack/images/image-names.ts'
import type { EngineParts } from '../parts.ts'

/** What every suite of a run in a cluster of others shares. Docker is no part of it. */
export interface LeasedParts {
  readonly owner: Owner
  /** Private folder of the run. */
  readonly folder: string
  readonly relayImage: string
  readonly substitutes: ImageSubstitutes
  readonly trackChild: EngineParts['trackChild']
}
