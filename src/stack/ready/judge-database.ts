import type { Pod } from '../../kube/types.ts'
import { storeTypeOf } from '../store-type.ts'
import type { Verdict } from './verdict.ts'

/** A database that failed in its first start looks healthy after the second, without what its init folder had still to do. */
export function judgeDatabase({ metadata, spec, status }: Pod): readonly Verdict[] {
  return (status?.containerStatuses ?? []).flatMap(({ name, state, lastState }) => {
    const container = spec?.containers.find((each) => each.name === name)
    const exit = state?.terminated ?? lastState?.terminated
    // Above are signals: somebody has killed it.
    const hasFailed = exit !== undefined && exit.exitCode > 0 && exit.exitCode < 128
    if (!hasFailed || !container || !isDatabase(container)) return []
    return [
      {
        state: 'failed' as const,
        reason: `pod "${metadata?.name}", container "${name}" ended with exit code ${exit.exitCode}: a database that restarts after a failed first start has incomplete data`,
        pod: { name: metadata!.name!, container: name },
        hint: 'Fix its init folder, or load the data with the option `seed`, which reports file and line.',
      },
    ]
  })
}

type Container = NonNullable<Pod['spec']>['containers'][number]

/** Whether it runs an image that fills an empty data folder at its first start, and takes what it finds at the next. */
function isDatabase({ image, command, env = [], ports }: Container): boolean {
  const names = env.map(({ name }) => name)
  const type = storeTypeOf({ image, ports }, names)
  return !command && type !== undefined && type !== 'redis'
}
