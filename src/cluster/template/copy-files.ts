import { posix } from 'node:path'

import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { removeContainer } from '../../docker/remove.ts'
import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import { type HelperCluster, createHelper } from '../helper-container.ts'

/** Where nodes have the volume of their template. */
export const insideFolder = '/var/lib/vitest-kubernetes'

/** For `docker run --volume`. Nobody but a copier ever writes there. */
export function templateMount(volume: string): string {
  return `${volume}:${insideFolder}:ro`
}

/** Folders of a node that a template has, each a volume. Not there: what Docker empties at each start. */
const nodePaths = ['/var/lib/rancher/k3s', '/var/lib/kubelet', '/var/lib/cni', '/var/log'] as const

/** Milliseconds. */
const copyTimeout = 120_000

const saveFiles = shellScript<'nodes'>(import.meta.dirname, 'save-files.sh')
const restoreFiles = shellScript<'nodes' | 'gateway' | 'old_gateway'>(import.meta.dirname, 'restore-files.sh')

/** A container that copies between the volumes of nodes and templates where Docker is, which may be another machine than this. */
export interface FileCopier extends AsyncDisposable {
  /** From nodes that are paused. */
  save(nodes: readonly NodeFiles[], signal: AbortSignal): Promise<void>
  /** Bytes that the template takes. */
  measure(signal: AbortSignal): Promise<number>
  /** Into nodes that have not started. */
  restore(nodes: readonly NodeFiles[], gateways: Gateways, signal: AbortSignal): Promise<void>
}

/** Of the Docker networks of a template's cluster and its fork. */
export interface Gateways {
  readonly from: string
  readonly to: string
}

export interface NodeFiles {
  /** Folder of the node in the template. */
  readonly hostname: string
  /** Docker container. */
  readonly container: string
}

/** @param volume of the template, which nobody can remove meanwhile */
export async function startCopier(docker: Docker, cluster: HelperCluster, volume: string): Promise<FileCopier> {
  const { Mountpoint } = await docker.engine.getVolume(volume).inspect()
  // Files can be linked, and folders moved, within one mount only.
  const all = posix.dirname(posix.dirname(Mountpoint))
  const inHelper = (path: string) => posix.join('/volumes', posix.relative(all, path))
  const template = inHelper(Mountpoint)
  const helper = await createHelper(docker, cluster, {
    role: 'template',
    script: [],
    // Whoever reads what a privileged process has mounted has to be privileged too.
    HostConfig: {
      Binds: [`${all}:/volumes`, `${volume}:/used`],
      Privileged: true,
      PidMode: 'host',
      UsernsMode: 'host',
      NetworkMode: 'none',
    },
  })
  const run = (script: ShellScript, signal: AbortSignal) => execInContainer(docker, helper.id, script, { timeout: copyTimeout, signal })
  const volumesOf = ({ Mounts }: { readonly Mounts: readonly { readonly Source: string; readonly Destination: string }[] }) =>
    nodePaths.map((path) => inHelper(Mounts.find(({ Destination }) => Destination === path)!.Source))
  try {
    await helper.start()
  } catch (error) {
    await removeContainer(docker, helper.id)
    throw error
  }

  return {
    async save(nodes, signal) {
      const lines = nodes.map(async ({ hostname, container }) => {
        const info = await docker.engine.getContainer(container).inspect()
        return [info.State.Pid, `${template}/${hostname}`, `${insideFolder}/${hostname}`, ...volumesOf(info)].join(' ')
      })
      await run(saveFiles({ nodes: (await Promise.all(lines)).join('\n') }), signal)
    },
    async measure(signal) {
      const kilobytes = await execInContainer(docker, helper.id, ['du', '-sk', template], { timeout: copyTimeout, signal })
      return Number.parseInt(kilobytes, 10) * 1024
    },
    async restore(nodes, { from, to }, signal) {
      const lines = nodes.map(async ({ hostname, container }) =>
        [`${template}/${hostname}`, ...volumesOf(await docker.engine.getContainer(container).inspect())].join(' '),
      )
      await run(restoreFiles({ nodes: (await Promise.all(lines)).join('\n'), gateway: to, old_gateway: from }), signal)
    },
    [Symbol.asyncDispose]: () => removeContainer(docker, helper.id),
  }
}
