import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

import type Dockerode from 'dockerode'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { addressOf, limitRequests } from './limit-requests.ts'
import { watchRequests } from './watch-requests.ts'

export type { Container, ContainerCreateOptions, ContainerInfo, NetworkInspectInfo, VolumeInspectInfo } from 'dockerode'

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
  /** As DOCKER_HOST has it. */
  readonly address: string
  /** Version of the control groups of the engine's machine; kubelet wants 2. */
  readonly cgroupVersion: 1 | 2
  /** Of the engine's machine, as Docker names it: `linux/amd64`. */
  readonly platform: string
  /** Pulls an image with the credentials of `docker login`. */
  pull(reference: string): Promise<void>
  /** Pushes an image with the same credentials. Resolves to its digest: `sha256:…`. */
  push(reference: string, signal: AbortSignal): Promise<string>
}

/** All that removals need. */
export type DockerEngine = Pick<Docker, 'engine'>

/**
 * @param limit milliseconds; an engine that takes the connection and never answers would hold up every suite
 * @throws ClusterTestError `ERR_DOCKER_UNAVAILABLE` when no engine answers
 */
export async function connectDocker(limit = 15_000): Promise<Docker> {
  try {
    return await withLimit(connect, limit)
  } catch (error) {
    const host = process.env.DOCKER_HOST
    throw new ClusterTestError(
      'ERR_DOCKER_UNAVAILABLE',
      `No Docker engine answers${host ? ` at DOCKER_HOST "${host}"` : ''}: ${messageOf(error)}.`,
      {
        cause: error,
        hint: 'Start Docker, or point DOCKER_HOST at an engine; "docker info" must work in this terminal.',
      },
    )
  }
}

async function connect(): Promise<Docker> {
  const { engine, info } = (await tryKnownSocket()) ?? (await findEngine())
  const address = addressOf(engine.modem)
  checkAddress(address)
  return {
    engine,
    env: { ...(process.env.DOCKER_HOST ? {} : { DOCKER_HOST: address }), ...apiVersionEnv(await engine.version()) },
    address,
    memory: info.MemTotal ?? 0,
    processors: info.NCPU ?? 1,
    usesContainerdStore: info.DriverStatus?.some(([key, value]) => key === 'driver-type' && value.startsWith('io.containerd')) ?? false,
    cgroupVersion: info.CgroupVersion === '1' ? 1 : 2,
    platform: `linux/${{ x86_64: 'amd64', aarch64: 'arm64' }[info.Architecture ?? ''] ?? info.Architecture}`,
    async pull(reference) {
      const { ImageName, getContainerRuntimeClient } = await import('testcontainers')
      await (await getContainerRuntimeClient()).image.pull(ImageName.fromString(reference))
    },
    async push(reference, signal) {
      // A part of testcontainers that its index leaves out (12.2): who `docker login` has logged in, by file or by helper.
      const { getAuthConfig } = await import('testcontainers/build/container-runtime/auth/get-auth-config.js')
      // The engine takes no push without any.
      const authconfig = ((await getAuthConfig(reference.slice(0, reference.indexOf('/')))) ?? { username: '' }) as Dockerode.AuthConfig
      const stream: NodeJS.ReadableStream = await engine.getImage(reference).push({ authconfig, abortSignal: signal })
      const { promise, resolve, reject } = Promise.withResolvers<readonly PushRecord[]>()
      engine.modem.followProgress(stream, (error, records) => (error ? reject(error) : resolve(records as PushRecord[])))
      const records = await promise
      const failed = records.find(({ error }) => error !== undefined)
      if (failed) throw new Error(failed.error)
      return records.findLast(({ aux }) => aux?.Digest !== undefined)!.aux!.Digest!
    },
  }
}

interface PushRecord {
  readonly error?: string
  readonly aux?: { readonly Digest?: string }
}

interface FoundEngine {
  readonly engine: Dockerode
  readonly info: EngineInfo
}

/** The engine that testcontainers would take first, without loading it, which takes longer than most commands. undefined where it may take another. */
async function tryKnownSocket(): Promise<FoundEngine | undefined> {
  const { DOCKER_HOST: address = 'unix:///var/run/docker.sock' } = process.env
  if (!address.startsWith('unix:///') || existsSync(join(homedir(), '.testcontainers.properties'))) return undefined
  const { default: Docker } = await import('dockerode')
  const engine = new Docker({ socketPath: address.slice('unix://'.length) })
  limitRequests(engine)
  try {
    return { engine, info: (await engine.info()) as EngineInfo }
  } catch {
    return undefined
  }
}

async function findEngine(): Promise<FoundEngine> {
  const { getContainerRuntimeClient } = await import('testcontainers')
  const engine = (await getContainerRuntimeClient()).container.dockerode
  limitRequests(engine)
  return { engine, info: (await engine.info()) as EngineInfo }
}

/** Our own requests name no version, which means the engine's. Docker's client for Go takes an empty variable for "agree on one". */
function apiVersionEnv({ ApiVersion, MinAPIVersion = '1.12' }: { ApiVersion: string; MinAPIVersion?: string }): Record<string, string> {
  const wanted = process.env.DOCKER_API_VERSION
  const order = (version: string) => Number(version.split('.')[0]) * 1000 + Number(version.split('.')[1])
  const fits = !wanted || (order(wanted) >= order(MinAPIVersion) && order(wanted) <= order(ApiVersion))
  return fits ? {} : { DOCKER_API_VERSION: '' }
}

interface EngineInfo {
  readonly MemTotal?: number
  readonly NCPU?: number
  readonly Architecture?: string
  readonly CgroupVersion?: string
  readonly DriverStatus?: readonly (readonly [string, string])[]
}

function checkAddress(address: string): void {
  const wanted = process.env.DOCKER_HOST
  const place = ({ host, pathname }: URL) => host + pathname.replace(/\/$/, '')
  // testcontainers goes on to another engine when this one does not answer; k3d and the user would look at different ones then.
  if (wanted && place(new URL(wanted)) !== place(new URL(address))) throw new Error(`nothing listens there, although ${address} does`)
}

async function withLimit<T>(work: () => Promise<T>, limit: number): Promise<T> {
  using requests = watchRequests()
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${requests.describe() ?? 'it did not answer'} within ${limit} ms`)), limit)
  try {
    return await Promise.race([work(), promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Whether the engine answered "no such object", which is success for whoever removes. */
export function isNotFound(error: unknown): boolean {
  return statusCodeOf(error) === 404
}

/** Whether the object is in another state than what was asked for needs, as a container that does not run. */
export function isConflict(error: unknown): boolean {
  return statusCodeOf(error) === 409
}

/** Whether a container does not run, or not any more: for one that stops at the same moment Docker says so with status 500 (moby 20.10). */
export function isNotRunning(error: unknown): boolean {
  return isConflict(error) || (statusCodeOf(error) === 500 && /container not running|is not running/.test(messageOf(error)))
}

/** Whether the object is being removed by somebody else already (409), which is success too. */
export function isBeingRemoved(error: unknown): boolean {
  return isConflict(error) && /already in progress/.test(messageOf(error))
}

function statusCodeOf(error: unknown): number | undefined {
  return (error as { statusCode?: number } | null)?.statusCode
}
