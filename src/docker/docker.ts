import type Dockerode from 'dockerode'
import { getContainerRuntimeClient } from 'testcontainers'

import { ClusterTestError, messageOf } from '../support/errors.ts'

/** The Docker engine: the one that testcontainers finds (DOCKER_HOST, docker context, rootless sockets, Docker Desktop). */
export interface Docker {
  readonly engine: Dockerode
  /** For child processes such as k3d, so that they talk to the same engine. */
  readonly env: Readonly<Record<string, string>>
  /** Bytes of memory that the engine's machine has: on Docker Desktop that of its virtual machine. */
  readonly memory: number
  readonly processors: number
  /** Whether images are kept by containerd, which names them by their index instead of their configuration (the default since Docker 29). */
  readonly usesContainerdStore: boolean
}

/** @throws ClusterTestError `ERR_DOCKER_UNAVAILABLE` when no engine answers */
export async function connectDocker(): Promise<Docker> {
  let engine: Dockerode
  let info: { MemTotal?: number; NCPU?: number; DriverStatus?: readonly (readonly [string, string])[] }
  try {
    const runtime = await getContainerRuntimeClient()
    engine = runtime.container.dockerode
    info = (await engine.info()) as typeof info
    checkHost(engine)
  } catch (error) {
    const host = process.env.DOCKER_HOST
    throw new ClusterTestError(
      'ERR_DOCKER_UNAVAILABLE',
      `No Docker engine answers${host ? ` at DOCKER_HOST "${host}"` : ''}: ${messageOf(error)}.`,
      {
        cause: error,
        hint: 'Start Docker, or point DOCKER_HOST at a running engine; "docker info" must work in this terminal.',
      },
    )
  }
  const { socketPath } = engine.modem as { socketPath?: string }
  const env: Record<string, string> = !process.env.DOCKER_HOST && socketPath ? { DOCKER_HOST: `unix://${socketPath}` } : {}
  const usesContainerdStore = info.DriverStatus?.some(([key, value]) => key === 'driver-type' && value.startsWith('io.containerd')) ?? false
  return { engine, env, memory: info.MemTotal ?? 0, processors: info.NCPU ?? 1, usesContainerdStore }
}

/** testcontainers goes on to another engine when the one of DOCKER_HOST does not answer; k3d and the user would look at different ones then. */
function checkHost({ modem }: Dockerode): void {
  const wanted = process.env.DOCKER_HOST
  const { socketPath, host, port } = modem as { socketPath?: string; host?: string; port?: string | number }
  const isSame =
    !wanted ||
    (wanted.startsWith('unix://') || wanted.startsWith('npipe://')
      ? wanted.endsWith(socketPath ?? '?')
      : wanted.includes(`${host}:${port}`))
  if (!isSame) throw new Error(`nothing listens there, although ${socketPath ?? `${host}:${port}`} does`)
}

/** Whether the engine answered "no such object", which is success for whoever removes. */
export function isNotFound(error: unknown): boolean {
  return statusCodeOf(error) === 404
}

/** Whether the object is being removed by somebody else already (409), which is success too. */
export function isBeingRemoved(error: unknown): boolean {
  return statusCodeOf(error) === 409 && /already in progress/.test(messageOf(error))
}

function statusCodeOf(error: unknown): number | undefined {
  return (error as { statusCode?: number } | null)?.statusCode
}
