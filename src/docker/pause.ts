import { setTimeout as sleep } from 'node:timers/promises'

import { messageOf } from '../support/errors.ts'
import type { DockerEngine } from './docker.ts'

/** Milliseconds that a container may refuse to be paused. */
const patience = 10_000

/**
 * Pauses a container. With cgroup v1 the kernel freezes none in which a process waits for a disk, which runc tells after a while
 * ("unable to freeze"): it is tried again.
 */
export async function pauseContainer({ engine }: DockerEngine, container: string): Promise<void> {
  const started = performance.now()
  while (true) {
    try {
      await engine.getContainer(container).pause()
      return
    } catch (error) {
      if (!/unable to freeze/.test(messageOf(error)) || performance.now() - started > patience) throw error
      await sleep(100)
    }
  }
}
