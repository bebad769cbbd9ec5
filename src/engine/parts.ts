import type { K3d } from '../cluster/k3d.ts'
import type { Owner } from '../cluster/ownership/owner.ts'
import type { Docker } from '../docker/docker.ts'
import type { ImageSubstitutes } from '../stack/images/image-names.ts'
import type { Forecast } from './forecast.ts'

/** What every suite of a run shares. */
export interface EngineParts {
  readonly docker: Docker
  readonly k3d: K3d
  readonly owner: Owner
  /** Private folder of the run. */
  readonly folder: string
  readonly nodeImage: string | undefined
  readonly substitutes: ImageSubstitutes
  readonly buildNetwork: string | undefined
  /** Bytes that all templates together may take; undefined where nothing is forked. */
  readonly templateLimit: number | undefined
  /** What suites take, for the next run. */
  readonly forecast: Forecast
  /** Absolute paths of what a run writes. */
  readonly outputs: readonly string[]
  /** Told of every process that must not outlive the run; a negative number stands for a process group. */
  readonly trackChild: (event: 'started' | 'ended', pid: number) => void
}
