import type { Docker } from '../../docker/docker.ts'
import { execForBytes } from '../../docker/exec.ts'
import type { Pod } from '../../kube/types.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
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

/** What is mounted into the container, as tar archives with the container's own paths. Links of projected volumes are followed. */
export async function readFiles(
  docker: Docker,
  container: RunningContainer,
  mounts: readonly ContainerMount[],
): Promise<readonly Buffer[]> {
  if (mounts.length === 0) return []
  const projected = mounts.filter(({ isProjected }) => isProjected)
  const others = mounts.filter(({ isProjected }) => !isProjected)
  const [followed, kept] = await Promise.all([
    runAtProcess(docker, container, archiveScript(projected, { follow: true })),
    runAtProcess(docker, container, archiveScript(others, { follow: false })),
  ])
  return [followed, kept].filter(({ length }) => length > 0)
}

/** Changes with every update that kubelet makes to the projected volumes. undefined when the container has ended. */
export async function readVersion(docker: Docker, container: RunningContainer): Promise<string | undefined> {
  const paths = container.mounts.filter(({ isProjected }) => isProjected).map(({ path }) => quote(path))
  const script = `${resolve}\necho ${container.id}\nfor path in ${paths.join(' ')}; do readlink $(resolve "$path")/..data; done; :`
  return (await runAtProcess(docker, container, script, 0)).toString() || undefined
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

/** A folder of links gives the archive the container's own paths. `.` at the end of a path keeps tar from storing such a link itself. */
function archiveScript(mounts: readonly ContainerMount[], { follow }: { readonly follow: boolean }): string {
  if (mounts.length === 0) return ':'
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
[ $# = 0 ] || tar -C "$stage" ${follow ? '-ch' : '-c'} -f - "$@"
code=$?
rm -rf "$stage"
exit $code`
}

/** containerd keeps there what it knows of each running container (io.containerd.runtime.v2, "Bundles"). */
const tasks = '/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io'

/** @param codeIfEnded exit code where the container has no process any more */
async function runAtProcess(docker: Docker, { node, id, pod }: RunningContainer, script: string, codeIfEnded = 3): Promise<Buffer> {
  // crictl takes a tenth of a second; the file goes with the container.
  const find = `{ read -r pid < ${tasks}/${id}/init.pid; } 2>/dev/null || pid=$(crictl inspect --output go-template --template '{{.info.pid}}' ${id} 2>/dev/null)
[ "\${pid:-0}" -gt 0 ] && [ -e /proc/$pid ] || exit ${codeIfEnded}`
  try {
    return await execForBytes(docker, node, ['sh', '-c', `${find}\n${script}`])
  } catch (error) {
    throw new ClusterTestError(
      'ERR_BRIDGE_LOCAL_FAILED',
      `The environment and the files of pod "${pod.metadata!.name}" could not be read on node "${node}": ${messageOf(error)}`,
      { cause: error, hint: 'The container may just have been restarted: look at its log.' },
    )
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
