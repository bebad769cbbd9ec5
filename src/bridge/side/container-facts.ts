import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import type { Docker } from '../../docker/docker.ts'
import { type ExecOptions, execForStream } from '../../docker/exec.ts'
import type { Pod } from '../../kube/types.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import type { BridgeTarget } from '../rules/target.ts'

const folder = import.meta.dirname
type OfContainer = 'container' | 'code_if_ended'
const readEnvironment = shellScript<OfContainer>(folder, 'read-env.sh')
const measure = shellScript<OfContainer | 'paths'>(folder, 'measure-mounts.sh')
const readMounts = shellScript<OfContainer | 'paths' | 'projected'>(folder, 'read-files.sh')
const readVersions = shellScript<OfContainer | 'paths'>(folder, 'read-version.sh')

/** A running container of a pod, as its node sees it. */
export interface RunningContainer {
  readonly pod: Pod
  readonly node: string
  /** Without its scheme. */
  readonly id: string
  readonly mounts: readonly ContainerMount[]
  /** This one, or the one that has come in its place. undefined when there is none. */
  latest(): RunningContainer | undefined
}

export interface ContainerMount {
  readonly path: string
  /** Kept up to date by kubelet: ConfigMap, Secret, token, downward API. They hold links that are swapped, see volumes/util/atomic_writer.go of Kubernetes. */
  readonly isProjected: boolean
}

/** The container that is replaced, in a pod where it runs. undefined when it runs in none. */
export function findRunning(target: BridgeTarget): RunningContainer | undefined {
  for (const pod of target.pods()) {
    const status = pod.status?.containerStatuses?.find(({ name }) => name === target.container.name)
    if (!status?.state?.running || !status.containerID) continue
    const spec = pod.spec!.containers.find(({ name }) => name === target.container.name)!
    const volumes = pod.spec!.volumes ?? []
    const mounts = (spec.volumeMounts ?? []).map(({ mountPath, name }) => {
      const volume = volumes.find((each) => each.name === name)
      return { path: mountPath, isProjected: Boolean(volume?.configMap ?? volume?.secret ?? volume?.projected ?? volume?.downwardAPI) }
    })
    const latest = () => findRunning(target)
    return { pod, node: pod.spec!.nodeName!, id: status.containerID.replace(/^\w+:\/\//, ''), mounts, latest }
  }
  return undefined
}

/**
 * The environment of the container's first process, byte for byte: read from the node, so that nothing has to run in the
 * container.
 */
export async function readEnv(docker: Docker, container: RunningContainer): Promise<Readonly<Record<string, string>>> {
  const entries = (await runOnNode(docker, container, readEnvironment({ container: container.id, code_if_ended: 3 })))
    .split('\0')
    .filter((entry) => entry.includes('='))
  return Object.fromEntries(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]))
}

/**
 * What is mounted into the container at these places, as a tar archive with the container's own paths. Links of projected volumes
 * are followed.
 * @param mounts projected ones, or others
 */
export function streamFiles(docker: Docker, container: RunningContainer, mounts: readonly ContainerMount[], signal: AbortSignal): Readable {
  const projected = mounts.every(({ isProjected }) => isProjected) ? 'yes' : 'no'
  const script = readMounts({ container: container.id, code_if_ended: 3, paths: pathsOf(mounts), projected })
  return streamFromNode(docker, container, script, { timeout: streamTimeout, signal })
}

/** Bytes of the files in each of these places. */
export async function measureMounts(
  docker: Docker,
  container: RunningContainer,
  mounts: readonly ContainerMount[],
): Promise<readonly number[]> {
  const script = measure({ container: container.id, code_if_ended: 3, paths: pathsOf(mounts) })
  return (await runOnNode(docker, container, script)).trim().split('\n').map(Number)
}

/** Changes with every update that kubelet makes to the projected volumes. undefined when the container has ended. */
export async function readVersion(docker: Docker, container: RunningContainer): Promise<string | undefined> {
  const paths = pathsOf(container.mounts.filter(({ isProjected }) => isProjected))
  return (await runOnNode(docker, container, readVersions({ container: container.id, code_if_ended: 0, paths }))) || undefined
}

function pathsOf(mounts: readonly ContainerMount[]): string {
  return mounts.map(({ path }) => path).join('\n')
}

/** Milliseconds for a look at a container, and for the files of large volumes. */
const timeout = 60_000
const streamTimeout = 1_800_000

async function runOnNode(docker: Docker, container: RunningContainer, script: ShellScript): Promise<string> {
  return (await buffer(streamFromNode(docker, container, script, { timeout }))).toString()
}

function streamFromNode(docker: Docker, { node, pod }: RunningContainer, script: ShellScript, options: ExecOptions): Readable {
  const explain = (error: unknown) => {
    options.signal?.throwIfAborted()
    return new ClusterTestError(
      'ERR_BRIDGE_LOCAL_FAILED',
      `The environment and the files of pod "${pod.metadata!.name}" could not be read on node "${node}": ${messageOf(error)}`,
      { cause: error, hint: 'The container may just have been restarted: look at its log.' },
    )
  }
  async function* run(): AsyncGenerator<Buffer> {
    try {
      yield* await execForStream(docker, node, script, options)
    } catch (error) {
      throw explain(error)
    }
  }
  return Readable.from(run())
}
