import { stat } from 'node:fs/promises'

import type { Docker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { removeContainer } from '../docker/remove.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import type { Cluster } from './cluster.ts'
import { createHelper } from './helper-container.ts'

/**
 * Checks that Docker would mount these folders and files of this machine, and not others of the same paths, where its engine may see others:
 * it makes new ones, which are empty, of those that do not exist.
 * @param paths absolute
 * @throws ClusterTestError `ERR_MOUNT_NOT_FOUND`
 */
export async function checkFolders(docker: Docker, cluster: Cluster, paths: readonly string[], signal: AbortSignal): Promise<void> {
  if (!cluster.ports.areElsewhere) return
  await Promise.all(
    paths.map(async (path) => {
      const before = await findHere(path)
      const there = await findThere(docker, cluster, path, signal)
      // Somebody may write into it meanwhile.
      if (there !== undefined && (there === before || there === (await findHere(path)))) return
      throw new ClusterTestError(
        'ERR_MOUNT_NOT_FOUND',
        `"${path}" cannot be mounted: on the Docker engine's machine, ${there === undefined ? 'nothing' : 'something else'} is at that path.`,
        {
          hint: 'Let the engine and vitest see the same folder at the same path, such as a volume that both mount, or build an image that has the files.',
        },
      )
    }),
  )
}

async function findHere(path: string): Promise<string | undefined> {
  try {
    const { ino, mtimeMs } = await stat(path, { bigint: true })
    return `${ino} ${mtimeMs / 1000n}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

async function findThere(docker: Docker, cluster: Cluster, path: string, signal: AbortSignal): Promise<string | undefined> {
  await using cleanup = new AsyncDisposableStack()
  try {
    const container = await createHelper(docker, cluster, {
      ...{ role: 'look', script: [] },
      HostConfig: { NetworkMode: 'none', Mounts: [{ Type: 'bind', Source: path, Target: '/look', ReadOnly: true }] },
    })
    cleanup.defer(() => removeContainer(docker, container.id))
    await container.start()
    return (await execInContainer(docker, container.id, ['stat', '-c', '%i %Y', '/look'], { timeout: 30_000, signal })).trim()
  } catch (error) {
    if (/bind source path does not exist/.test(messageOf(error))) return undefined
    throw error
  }
}
