import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { extractArchive } from '../../support/extract-archive.ts'
import type { BridgeParts } from '../parts.ts'
import type { FilesOption } from '../requests.ts'
import type { ContainerMount, RunningContainer } from './container-facts.ts'
import { copyFiles } from './copy-files.ts'
import { keepFilesCurrent } from './refresh-files.ts'

/** What is mounted into the replaced container, on the host, in a folder that nobody else can read. */
export interface HostFiles extends AsyncDisposable {
  /** The container's own paths begin here. */
  readonly root: string
}

interface HostFilesOptions {
  /** Of the bridge. */
  readonly id: string
  readonly source: RunningContainer | undefined
  readonly files: FilesOption
  readonly signal: AbortSignal
}

/** An empty folder where the workload has no pod. It is in the folder of the run, so that it goes with it, however that ends. */
export async function startHostFiles(parts: BridgeParts, { id, source, files, signal }: HostFilesOptions): Promise<HostFiles> {
  await using cleanup = new AsyncDisposableStack()
  const root = join(parts.folder, `bridge-${id}`)
  await mkdir(root, { mode: 0o700 })
  cleanup.defer(() => rm(root, { recursive: true, force: true }))
  await copyFiles(parts, source, files, put, signal)
  if (source) cleanup.use(keepFilesCurrent(parts, source, replace))
  const owned = cleanup.move()
  return { root, [Symbol.asyncDispose]: () => owned.disposeAsync() }

  async function replace(archive: Readable, mounts: readonly ContainerMount[]): Promise<boolean> {
    const volumes = mounts.filter(({ kind }) => kind === 'projected')
    await put(
      archive,
      volumes.map(({ path }) => path),
    )
    return true
  }

  async function put(archive: Readable, volumes?: readonly string[]): Promise<void> {
    try {
      await extractArchive(archive, root, volumes)
    } catch (error) {
      throw new ClusterTestError(
        'ERR_BRIDGE_LOCAL_FAILED',
        `The files of pod "${source!.pod.metadata!.name}" could not be copied to "${root}": ${messageOf(error)}`,
        { cause: error, hint: 'Set files: false to do without them.' },
      )
    }
  }
}
