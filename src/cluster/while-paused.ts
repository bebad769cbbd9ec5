import type { Docker } from '../docker/docker.ts'
import { pauseContainer } from '../docker/pause.ts'
import type { NodeContainers } from './cluster.ts'

/** Pauses all nodes, with all that runs on them, for as long as the work takes. */
export async function whilePaused(docker: Docker, { nodes }: NodeContainers, work: () => Promise<void>): Promise<void> {
  await using paused = new AsyncDisposableStack()
  for (const { container } of nodes) {
    await pauseContainer(docker, container)
    paused.defer(async () => void (await docker.engine.getContainer(container).unpause()))
  }
  await work()
}
