import { createHelper } from '../../cluster/helper-container.ts'
import { isNotFound } from '../../docker/docker.ts'
import { removeContainer } from '../../docker/remove.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { BridgeParts } from '../parts.ts'
import type { PortMapping } from '../rules/ports.ts'
import { waitForListeners } from './member.ts'

export interface JoinedContainer extends AsyncDisposable {
  /** In the cluster's Docker network. */
  readonly address: string
  /** The same for IPv6; undefined where it has none. */
  readonly address6: string | undefined
}

/** Connects a container that runs already, whoever started it, to the cluster's Docker network, and waits until it listens. */
export async function joinContainer(
  { docker, cluster }: BridgeParts,
  id: string,
  ports: readonly PortMapping[],
  timeout: number,
  signal: AbortSignal,
): Promise<JoinedContainer> {
  const container = docker.engine.getContainer(id)
  const network = docker.engine.getNetwork(cluster.network)
  await using cleanup = new AsyncDisposableStack()
  const before = await container.inspect().catch((error: unknown) => {
    if (!isNotFound(error)) throw error
    throw new ClusterTestError('ERR_BRIDGE_LOCAL_FAILED', `There is no container "${id}" to bridge to.`, { cause: error })
  })
  if (!before.NetworkSettings.Networks[cluster.network]) {
    await network.connect({ Container: id })
    cleanup.defer(async () => {
      try {
        await network.disconnect({ Container: id, Force: true })
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    })
  }
  // The container may have no shell: one of ours looks from its network namespace.
  const onlooker = await createHelper(docker, cluster, { role: 'onlooker', script: [], HostConfig: { NetworkMode: `container:${id}` } })
  try {
    await onlooker.start()
    const what = `Container "${before.Name.slice(1)}"`
    const [onLoopback] = await waitForListeners(docker, onlooker.id, ports, { container: id, what, timeout, signal })
    if (onLoopback)
      throw new ClusterTestError('ERR_BRIDGE_NOT_LISTENING', `${what} listens on port ${onLoopback.local} only on loopback.`, {
        hint: 'Bind it to 0.0.0.0. The loopback address of a container that you started cannot be reached; that of one that the bridge starts (image or build) can.',
      })
  } finally {
    await removeContainer(docker, onlooker.id)
  }
  const endpoint = (await container.inspect()).NetworkSettings.Networks[cluster.network]!
  const owned = cleanup.move()
  return {
    address: endpoint.IPAddress,
    address6: endpoint.GlobalIPv6Address || undefined,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
