import type Dockerode from 'dockerode'
import { type ContainerRuntimeClient, GenericContainer, type StartedTestContainer, type WaitStrategy } from 'testcontainers'

import { messageOf } from '../support/errors.ts'
import { readContainerState } from './container-log.ts'
import { isNotFound } from './docker.ts'

export interface TestContainerOptions {
  readonly image: string
  /** Container whose network namespace it joins. */
  readonly holder: string
  readonly env: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly command?: readonly string[] | undefined
  readonly entrypoint?: readonly string[] | undefined
  /** Folder on the host to path in the container. */
  readonly mount: Readonly<Record<string, string>>
  /** Called with its id before it starts. */
  readonly onCreated: (id: string) => Promise<void>
  readonly configure?: ((container: GenericContainer) => GenericContainer) | undefined
}

/** Starts a container through testcontainers, so that its wait strategies, logs and copy functions are the user's. */
export async function startTestContainer(options: TestContainerOptions): Promise<StartedTestContainer> {
  // Without testcontainers' own reaper: the labels say who removes it.
  const container = new LocalContainer(options.image, options.onCreated).withAutoCleanup(false)
  if (options.command) container.withCommand([...options.command])
  if (options.entrypoint) container.withEntrypoint([...options.entrypoint])
  container.withBindMounts(Object.entries(options.mount).map(([source, target]) => ({ source, target, mode: 'rw' })))
  const configured = options.configure?.(container) ?? container
  return configured
    .withEnvironment({ ...options.env })
    .withLabels({ ...options.labels })
    .withNetworkMode(`container:${options.holder}`)
    .start()
}

/** Where the wait for it fails, the error has how it has ended and what it printed: testcontainers removes it before anybody could look. */
class LocalContainer extends GenericContainer {
  protected override readonly containerCreated: (id: string) => Promise<void>

  constructor(image: string, onCreated: (id: string) => Promise<void>) {
    super(image)
    this.containerCreated = onCreated
  }

  protected override async selectWaitStrategy(
    client: ContainerRuntimeClient,
    inspected: Dockerode.ContainerInspectInfo,
    given?: WaitStrategy,
  ): Promise<WaitStrategy> {
    const strategy = await super.selectWaitStrategy(client, inspected, given)
    // Not the user's own object, which may be in use elsewhere.
    const telling = Object.create(strategy) as WaitStrategy
    telling.waitUntilReady = async (container, ...rest) => {
      try {
        await strategy.waitUntilReady.call(telling, container, ...rest)
      } catch (error) {
        const { state, tail } = await readContainerState(container)
        throw new Error(`${messageOf(error)}; the container ${state}.${await tail()}`, { cause: error })
      }
    }
    return telling
  }
}

/** Stops and removes it, unless somebody has already done so. */
export async function stopTestContainer(container: StartedTestContainer): Promise<void> {
  try {
    await container.stop({ timeout: 1_000 })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
