import type { ContainerShell } from '../../docker/container-shell.ts'
import { isNotRunning } from '../../docker/docker.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { poll } from '../../support/poll.ts'
import { containerdAnswers } from './node-scripts.ts'

/** Milliseconds. */
const timeout = 30_000

/** Resolves when a node that has stopped is back, and containerd answers, without which there is no event to watch for. */
export async function untilBack(shell: ContainerShell, signal: AbortSignal): Promise<void> {
  await poll(() => isBack(shell), { interval: 100, signal })
}

async function isBack(shell: ContainerShell): Promise<true | undefined> {
  try {
    return (await shell.run(containerdAnswers, { timeout })) === 'yes' || undefined
  } catch (error) {
    // The container is not running yet.
    if (isNotRunning(error) || (error instanceof ClusterTestError && error.code === 'ERR_DOCKER_REQUEST_FAILED')) return undefined
    throw error
  }
}
