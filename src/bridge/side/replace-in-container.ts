import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import type { Cluster } from '../../cluster/cluster.ts'
import { createHelper } from '../../cluster/helper-container.ts'
import { readContainerState } from '../../docker/container-log.ts'
import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { removeContainer } from '../../docker/remove.ts'
import { shellScript } from '../../support/shell-script.ts'
import { byKind } from './container-files.ts'
import type { ReplaceFiles } from './refresh-files.ts'

const replaceFiles = shellScript<'projected' | 'fixed'>(import.meta.dirname, 'replace-files.sh')

/**
 * Replaces files in a container that runs, whatever is in it: by a container of ours beside it, which sees its files below /proc.
 * Docker's own way to copy files into a container can neither remove one nor replace a link at once.
 */
export function replaceInContainer(docker: Docker, cluster: Cluster, container: string): ReplaceFiles {
  return async (archive, mounts) => {
    if (!(await readContainerState(docker.engine.getContainer(container))).isRunning) return false
    const bytes = await buffer(archive)
    await using cleanup = new AsyncDisposableStack()
    const helper = await createHelper(docker, cluster, {
      role: 'files',
      script: [],
      HostConfig: { NetworkMode: 'none', PidMode: `container:${container}`, CapAdd: ['SYS_PTRACE'] },
    })
    cleanup.defer(() => removeContainer(docker, helper.id))
    await helper.start()
    await execInContainer(docker, helper.id, replaceFiles(byKind(mounts)), { input: Readable.from([bytes]), timeout: 60_000 })
    return true
  }
}
