import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import type { Docker } from '../../docker/docker.ts'
import { execForStream } from '../../docker/exec.ts'
import type { Pod } from '../../kube/types.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { quote } from '../../support/sh.ts'
import type { BridgeTarget } from '../rules/target.ts'

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
  const bytes = await runAtProcess(docker, container, 'cat /proc/$pid/environ')
  const entries = bytes
    .toString()
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
  const follow = mounts.every(({ isProjected }) => isProjected)
  return streamFromProcess(docker, container, archiveScript(mounts, { follow }), { signal })
}

/** Bytes of the files in each of these places. */
export async function measureMounts(
  docker: Docker,
  container: RunningContainer,
  mounts: readonly ContainerMount[],
): Promise<readonly number[]> {
  const paths = mounts.map(({ path }) => quote(path)).join(' ')
  const sum = `find "$(resolve "$path")" -xdev -type f -exec ls -ln {} + 2>/dev/null | awk '{ sum += $5 } END { printf "%.0f\\n", sum }'`
  const printed = await runAtProcess(docker, container, `${resolve}\nfor path in ${paths}; do ${sum}; done`)
  return printed.toString().trim().split('\n').map(Number)
}

/** Changes with every update that kubelet makes to the projected volumes. undefined when the container has ended. */
export async function readVersion(docker: Docker, container: RunningContainer): Promise<string | undefined> {
  const paths = container.mounts.filter(({ isProjected }) => isProjected).map(({ path }) => quote(path))
  const script = `${resolve}\necho ${container.id}\nfor path in ${paths.join(' ')}; do readlink $(resolve "$path")/..data; done; :`
  return (await runAtProcess(docker, container, script, { codeIfEnded: 0 })).toString() || undefined
}

/**
 * Where a path of the container is on the node. Links have to be followed by hand: an absolute one, as /var/run is in many
 * images, would lead into the node's own root.
 */
const resolve = `
resolve() {
  out= rest=\${1#/}
  while [ -n "$rest" ]; do
    part=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/} ;; *) rest= ;; esac
    if [ -L "/proc/$pid/root$out/$part" ]; then
      link=$(readlink "/proc/$pid/root$out/$part")
      case $link in /*) out= rest=\${link#/}\${rest:+/$rest} ;; *) rest=$link\${rest:+/$rest} ;; esac
    else
      out=$out/$part
    fi
  done
  echo "/proc/$pid/root$out"
}`

/** A folder of links gives the archive the container's own paths; one without entries is two blocks of zeros. `.` at the end of a path keeps tar from storing such a link itself. */
function archiveScript(mounts: readonly ContainerMount[], { follow }: { readonly follow: boolean }): string {
  // Of a projected volume only what it shows: the versions behind the links start with two dots.
  const add = follow
    ? `if [ -d "$source" ]; then
    for each in "$source"/* "$source"/.[!.]*; do [ -e "$each" ] && set -- "$@" ".$path/\${each##*/}"; done
  else set -- "$@" ".$path"; fi`
    : '[ -d "$source" ] && set -- "$@" ".$path/."'
  return `${resolve}
stage=$(mktemp -d)
set --
for path in ${mounts.map(({ path }) => quote(path)).join(' ')}; do
  source=$(resolve "$path")
  mkdir -p "$stage/\${path%/*}"
  ln -s "$source" "$stage$path"
  ${add}
done
if [ $# = 0 ]; then dd if=/dev/zero bs=1024 count=1 2>/dev/null; else tar -C "$stage" ${follow ? '-ch' : '-c'} -f - "$@"; fi
code=$?
rm -rf "$stage"
exit $code`
}

/** containerd keeps there what it knows of each running container (io.containerd.runtime.v2, "Bundles"). */
const tasks = '/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io'

interface RunOptions {
  readonly signal?: AbortSignal
  /** Exit code where the container has no process any more. @default 3 */
  readonly codeIfEnded?: number
}

async function runAtProcess(docker: Docker, container: RunningContainer, script: string, options?: RunOptions): Promise<Buffer> {
  return buffer(streamFromProcess(docker, container, script, options))
}

/** What a script prints on the container's node, which finds the process of the container as `$pid`. */
function streamFromProcess(
  docker: Docker,
  { node, id, pod }: RunningContainer,
  script: string,
  { signal, codeIfEnded = 3 }: RunOptions = {},
): Readable {
  // crictl takes a tenth of a second; the file goes with the container.
  const find = `{ read -r pid < ${tasks}/${id}/init.pid; } 2>/dev/null || pid=$(crictl inspect --output go-template --template '{{.info.pid}}' ${id} 2>/dev/null)
[ "\${pid:-0}" -gt 0 ] && [ -e /proc/$pid ] || exit ${codeIfEnded}`
  const explain = (error: unknown) => {
    signal?.throwIfAborted()
    return new ClusterTestError(
      'ERR_BRIDGE_LOCAL_FAILED',
      `The environment and the files of pod "${pod.metadata!.name}" could not be read on node "${node}": ${messageOf(error)}`,
      { cause: error, hint: 'The container may just have been restarted: look at its log.' },
    )
  }
  async function* run(): AsyncGenerator<Buffer> {
    try {
      yield* await execForStream(docker, node, ['sh', '-c', `${find}\n${script}`], signal && { signal })
    } catch (error) {
      throw explain(error)
    }
  }
  return Readable.from(run())
}
