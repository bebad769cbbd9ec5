import { watchContainer } from '../../docker/watch-container.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { BridgeParts } from '../parts.ts'

export interface LocalContainers {
  readonly container: string
  /** Owns the network namespace of the other one. @default none: it has one of its own */
  readonly holder?: string
}

/** Tells when a container of the local side ends while it is bridged, whoever ended it: callers get no answer then. */
export async function noteEnds(
  { docker, onProblem }: BridgeParts,
  workload: string,
  { container, holder }: LocalContainers,
): Promise<AsyncDisposable> {
  const watches = new AsyncDisposableStack()
  const watch = async (id: string, describe: (name: string) => string) => {
    const { Name } = await docker.engine.getContainer(id).inspect()
    const told = async ({ state, tail }: Parameters<Parameters<typeof watchContainer>[2]>[0]) =>
      onProblem(
        new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `${describe(Name.slice(1))} ${state} while it was bridged.${await tail()}`, {
          hint: 'Nobody answers for the pods. Start it again, or dispose the bridge.',
        }),
      )
    watches.use(watchContainer(docker, id, (state) => void told(state).catch(onProblem)))
  }
  await watch(container, (name) => `The local container "${name}" for "${workload}"`)
  if (holder) await watch(holder, (name) => `Container "${name}", which holds the network of the local container for "${workload}",`)
  return watches
}
