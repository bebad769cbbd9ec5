import { resolve } from 'node:path'

import type { LocalContainerOptions } from '../bridge/options.ts'
import type { OpenMember } from '../bridge/requests.ts'
import type { StartedTestContainer } from '../docker/container-types.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'

export interface StartedLocalContainer extends AsyncDisposable {
  readonly container: StartedTestContainer
}

interface StartOptions {
  readonly member: OpenMember
  /** Of the test file: paths are relative to it. */
  readonly folder: string
  /** What it is for, for errors. */
  readonly what: string
  /** Copies files into it, before it starts. */
  readonly bringFiles: (container: string) => Promise<void>
}

/** @throws ClusterTestError `ERR_BRIDGE_LOCAL_FAILED` */
export async function startLocalContainer(
  { command, entrypoint, mount = {}, configure }: LocalContainerOptions,
  { member: { holder, image, env, labels }, folder, what, bringFiles }: StartOptions,
): Promise<StartedLocalContainer> {
  // Only suites that use a container pay for loading testcontainers.
  const { startTestContainer, stopTestContainer } = await import('../docker/test-container.ts')
  const mounts = Object.fromEntries(Object.entries(mount).map(([source, target]) => [resolve(folder, source), target]))
  const options = { image, holder, env, labels, command, entrypoint, configure, mount: mounts, onCreated: bringFiles }
  try {
    const container = await startTestContainer(options)
    return { container, [Symbol.asyncDispose]: () => stopTestContainer(container) }
  } catch (error) {
    if (error instanceof ClusterTestError) throw error
    throw new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `The local container for "${what}" did not start: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
