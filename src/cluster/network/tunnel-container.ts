import type { Duplex } from 'node:stream'

import { demultiplex } from '../../docker/demultiplex.ts'
import type { Docker } from '../../docker/docker.ts'
import { putFiles } from '../../docker/put-files.ts'
import { readProgram } from '../../docker/read-program.ts'
import { removeContainer } from '../../docker/remove.ts'
import { whileWaiting, withDeadline } from '../../support/deadline.ts'
import { type HelperCluster, createHelper } from '../helper-container.ts'
import { type Tunnel, openTunnel } from './tunnel.ts'

/** A tunnel to a container in the network of the engine's machine. */
export interface TunnelContainer extends AsyncDisposable {
  readonly name: string
  readonly tunnel: Tunnel
}

/** Milliseconds. */
const startLimit = 30_000

/** Through Docker's own API, and so wherever that is. Docker removes the container when this process ends, however it does. */
export function startTunnel(docker: Docker, cluster: HelperCluster): Promise<TunnelContainer> {
  const what = 'Starting the container that leads to the machine of the Docker engine'
  return withDeadline({ limit: startLimit, code: 'ERR_DOCKER_REQUEST_FAILED', what }, (signal) =>
    whileWaiting(start(docker, cluster), signal),
  )
}

async function start(docker: Docker, cluster: HelperCluster): Promise<TunnelContainer> {
  const container = await createHelper(docker, cluster, {
    ...{ role: 'tunnel', script: ['exec /relay tunnel'], OpenStdin: true, StdinOnce: true },
    HostConfig: { NetworkMode: 'host', AutoRemove: true },
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => removeContainer(docker, container.id))
  await putFiles(container, { '/relay': { content: await readProgram('relay', docker.platform), mode: 0o755 } })
  const connection = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true })
  const tunnel = openTunnel(
    connection as Duplex,
    demultiplex(() => {}),
  )
  cleanup.defer(() => tunnel.close())
  await container.start()
  const name = (await container.inspect()).Name.slice(1)
  const owned = cleanup.move()
  return { name, tunnel, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
