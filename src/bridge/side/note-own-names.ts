import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import type { BridgeParts } from '../parts.ts'
import type { BridgeTarget } from '../rules/target.ts'
import { findRunning } from './container-facts.ts'
import { ownNames } from './pod-names.ts'

/** Says so where the local side resolves names, or is called, in another way than the pods. */
export function noteOwnNames({ onProblem }: BridgeParts, target: BridgeTarget): void {
  const fields = ownNames(target.spec, findRunning(target)?.pod.metadata?.name)
  if (fields.length === 0) return
  onProblem(
    new ClusterTestError(
      'ERR_BRIDGE_LOCAL_FAILED',
      `Workload "${target.workload}" has ${formatList(fields)}, which this local side does not get: names are resolved as they are where it runs.`,
      { hint: 'A local container (image or build) gets them.' },
    ),
  )
}
