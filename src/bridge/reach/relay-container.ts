import type { Cluster } from '../../cluster/cluster.ts'
import { createHelper } from '../../cluster/helper-container.ts'
import type { RelayProgram } from '../../cluster/network/relay-program.ts'
import { readContainerState } from '../../docker/container-log.ts'
import type { Docker } from '../../docker/docker.ts'
import { putFiles } from '../../docker/put-files.ts'
import { readProgram } from '../../docker/read-program.ts'
import { removeContainer } from '../../docker/remove.ts'
import { watchContainer } from '../../docker/watch-container.ts'
import { ClusterTestError } from '../../support/errors.ts'

/** Of the container. */
const controlPort = 20_000

/** Runs the program in a container on the cluster's network. @param token what it knows its machine by */
export async function runRelayContainer(docker: Docker, cluster: Cluster, token: string): Promise<RelayProgram> {
  const inside = `${controlPort}/tcp`
  const container = await createHelper(docker, cluster, {
    role: 'relay',
    script: [`exec /relay :${controlPort} /relay-token`],
    ExposedPorts: { [inside]: {} },
    HostConfig: { NetworkMode: cluster.network, PortBindings: { [inside]: [{ HostIp: '127.0.0.1', HostPort: '' }] } },
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => removeContainer(docker, container.id))
  await putFiles(container, {
    '/relay': { content: await readProgram('relay', docker.platform), mode: 0o755 },
    '/relay-token': { content: token, mode: 0o600 },
  })
  await container.start()
  const { Name, NetworkSettings } = await container.inspect()
  const { IPAddress, GlobalIPv6Address } = NetworkSettings.Networks[cluster.network]!
  const published = NetworkSettings.Ports[inside]?.[0]
  if (!published) {
    const { state, tail } = await readContainerState(container)
    throw new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `Container "${Name.slice(1)}" ${state}, and has no port.${await tail()}`)
  }
  const port = await cluster.ports.reach(Number(published.HostPort))
  const watching = new AsyncDisposableStack()
  const owned = cleanup.move()
  owned.use(watching)
  return {
    name: Name.slice(1),
    addresses: [IPAddress, ...(GlobalIPv6Address ? [GlobalIPv6Address] : [])],
    port,
    isRunning: async () => (await readContainerState(container)).isRunning,
    watch: (onEnded) => void watching.use(watchContainer(docker, container.id, onEnded)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
