import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import type { Docker } from '../../docker/docker.ts'
import { type ExecOptions, execForStream } from '../../docker/exec.ts'
import type { Pod } from '../../kube/types.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import type { BridgeParts } from '../parts.ts'
import type { BridgeTarget } from '../rules/target.ts'
import { parseEnviron } from './env.ts'

const folder = import.meta.dirname
/** The values of every script that looks at one. */
export type OfContainer = 'container' | 'code_if_ended'
const readEnvironment = shellScript<OfContainer>(folder, 'read-env.sh')
const readResolver = shellScript<OfContainer>(folder, 'read-resolv-conf.sh')

/** A running container of a pod, as its node sees it. */
export interface RunningContainer {
  readonly pod: Pod
  /** Name of the Kubernetes Node. */
  readonly node: string
  /** Name of its Docker container. */
  readonly nodeContainer: string
  /** Without its scheme. */
  readonly id: string
  readonly mounts: readonly ContainerMount[]
  /** This one, or the one that has come in its place. undefined when there is none. */
  latest(): RunningContainer | undefined
}

export interface ContainerMount {
  readonly path: string
  /**
   * `projected`: kept up to date by kubelet, as folders of links that are swapped (ConfigMap, Secret, token, downward API; see
   * volumes/util/atomic_writer.go of Kubernetes). `fixed`: a part of one (subPath), which stays as it was when the pod began.
   */
  readonly kind: 'projected' | 'fixed' | 'other'
}

/** The container that is replaced, in a pod where it runs. undefined when it runs in none. */
export function findRunning(target: BridgeTarget): RunningContainer | undefined {
  for (const pod of target.pods()) {
    const status = pod.status?.containerStatuses?.find(({ name }) => name === target.container.name)
    if (!status?.state?.running || !status.containerID) continue
    const spec = pod.spec!.containers.find(({ name }) => name === target.container.name)!
    const volumes = pod.spec!.volumes ?? []
    const mounts = (spec.volumeMounts ?? []).map(({ mountPath, name, subPath, subPathExpr }): ContainerMount => {
      const volume = volumes.find((each) => each.name === name)
      const isProjected = volume?.configMap ?? volume?.secret ?? volume?.projected ?? volume?.downwardAPI
      // Without a slash at its end, which Kubernetes allows.
      return { path: posix.resolve(mountPath), kind: isProjected ? (subPath || subPathExpr ? 'fixed' : 'projected') : 'other' }
    })
    // Those below others last.
    mounts.sort((a, b) => a.path.length - b.path.length)
    const latest = () => findRunning(target)
    const node = pod.spec!.nodeName!
    // A node that came later is k3d's, which names both alike.
    const nodeContainer = target.nodes.find(({ name }) => name === node)?.container ?? node
    return { pod, node, nodeContainer, id: status.containerID.replace(/^\w+:\/\//, ''), mounts, latest }
  }
  return undefined
}

/**
 * The environment of the container's first process, byte for byte: read from the node, so that nothing has to run in the
 * container.
 */
export async function readEnv(
  { docker, onProblem }: Pick<BridgeParts, 'docker' | 'onProblem'>,
  container: RunningContainer,
): Promise<Readonly<Record<string, string>>> {
  const bytes = await runOnNode(docker, container, readEnvironment({ container: container.id, code_if_ended: 3 }))
  const { env, broken } = parseEnviron(bytes)
  if (broken.length > 0) onProblem(noText(container, broken))
  return env
}

/** How it finds others by name. undefined when it has ended. */
export async function readResolvConf(docker: Docker, container: RunningContainer): Promise<string | undefined> {
  return (await runOnNode(docker, container, readResolver({ container: container.id, code_if_ended: 0 }))).toString() || undefined
}

/** Milliseconds for a look at a container. */
const timeout = 60_000

export async function runOnNode(docker: Docker, container: RunningContainer, script: ShellScript): Promise<Buffer> {
  return buffer(streamFromNode(docker, container, script, { timeout }))
}

export function streamFromNode(
  docker: Docker,
  { node, nodeContainer, pod }: RunningContainer,
  script: ShellScript,
  options: ExecOptions,
): Readable {
  const explain = (error: unknown) => {
    options.signal?.throwIfAborted()
    return new ClusterTestError(
      'ERR_BRIDGE_LOCAL_FAILED',
      `The environment and files of pod "${pod.metadata!.name}" could not be read on node "${node}": ${messageOf(error)}`,
      { cause: error, hint: 'The container may have just been restarted: check its log.' },
    )
  }
  async function* run(): AsyncGenerator<Buffer> {
    try {
      yield* await execForStream(docker, nodeContainer, script, options)
    } catch (error) {
      throw explain(error)
    }
  }
  return Readable.from(run())
}

function noText({ pod }: RunningContainer, names: readonly string[]): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_LOCAL_FAILED',
    `Of the environment of pod "${pod.metadata!.name}" ${formatList(names)} is left out: the value is no UTF-8, and Docker takes text alone.`,
    { hint: 'Set it yourself, or leave it out, with env: { set: … }.' },
  )
}
