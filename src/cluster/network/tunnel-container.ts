import type { Socket } from 'node:net'

import { demultiplex } from '../../docker/demultiplex.ts'
import type { Docker } from '../../docker/docker.ts'
import { putFiles } from '../../docker/put-files.ts'
import { readProgram } from '../../docker/read-program.ts'
import { removeContainer } from '../../docker/remove.ts'
import { whileWaiting, withDeadline } from '../../support/deadline.ts'
import { type HelperCluster, createHelper } from '../helper-container.ts'
import type { OpenedTunnel } from './tunnel-ports.ts'
import { openTunnel } from './tunnel.ts'

/** Milliseconds. */
const startLimit = 30_000

/** A tunnel to a container in the network of the engine's machine: through Docker's own API, and so wherever that is. Docker removes the container when this process ends, however it does. */
export function startTunnel(docker: Docker, cluster: HelperCluster, signal: AbortSignal): Promise<OpenedTunnel> {
  const what = "Starting the container that forwards the Docker engine's ports"
  return withDeadline({ limit: startLimit, code: 'ERR_DOCKER_REQUEST_FAILED', what, signal }, (each) =>
    whileWaiting(start(docker, cluster, each), each),
  )
}

async function start(docker: Docker, cluster: HelperCluster, signal: AbortSignal): Promise<OpenedTunnel> {
  const container = await createHelper(docker, cluster, {
    ...{ role: 'tunnel', script: ['exec /relay tunnel'], OpenStdin: true, StdinOnce: true },
    // Without a log: all that comes back through the tunnel would be in it.
    HostConfig: { NetworkMode: 'host', AutoRemove: true, LogConfig: { Type: 'none', Config: {} } },
  })
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => removeContainer(docker, container.id))
  await putFiles(container, { '/relay': { content: await readProgram('relay', docker.platform), mode: 0o755 } })
  const connection = (await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true })) as Socket
  connection.setKeepAlive(true, 15_000)
  let printed = ''
  const split = demultiplex((part) => void (printed += part.toString()))
  const tunnel = openTunnel(connection, split)
  cleanup.defer(() => tunnel.close())
  await container.start()
  const name = (await container.inspect()).Name.slice(1)
  // Whoever waited may have given up.
  signal.throwIfAborted()
  const owned = cleanup.move()
  return { name, tunnel, why: () => (printed ? ` (${printed.trim()})` : ''), [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
