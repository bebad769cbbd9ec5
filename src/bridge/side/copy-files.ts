import type { Readable } from 'node:stream'

import type { Docker } from '../../docker/docker.ts'
import { formatBytes } from '../../support/format.ts'
import type { BridgeParts } from '../parts.ts'
import type { FilesOption } from '../requests.ts'
import type { ContainerMount, RunningContainer } from './container-facts.ts'
import { followed, measureMounts, streamFiles } from './container-files.ts'

/** Takes a tar archive with a container's own paths. */
export type PutArchive = (archive: Readable) => Promise<unknown>

/** Bytes of a volume, beyond which it is copied only when it is asked for. */
const volumeLimit = 100e6

/** Copies what is mounted into a container to where `put` brings it. Large volumes stay where they are, unless all are asked for. */
export async function copyFiles(
  parts: BridgeParts,
  source: RunningContainer | undefined,
  files: FilesOption,
  put: PutArchive,
  signal: AbortSignal,
): Promise<void> {
  if (!source || !files) return
  await copyMounts(parts.docker, source, files === 'all' ? source.mounts : await leaveLargeOut(parts, source), put, signal)
}

/** Into a container, whether it runs or not, and whatever is in it. */
export function putInto({ engine }: Docker, container: string): PutArchive {
  return async (archive) => {
    const failed = new AbortController()
    archive.once('error', (error) => failed.abort(error))
    try {
      await engine.getContainer(container).putArchive(archive, { path: '/', abortSignal: failed.signal })
    } catch (error) {
      // An upload does not notice that nothing more comes.
      failed.signal.throwIfAborted()
      throw error
    }
  }
}

async function copyMounts(
  docker: Docker,
  source: RunningContainer,
  mounts: readonly ContainerMount[],
  put: PutArchive,
  signal: AbortSignal,
): Promise<void> {
  // In this order: what is mounted below another volume is in the archive of that one too.
  for (const alike of [mounts.filter(({ kind }) => kind === 'other'), followed(mounts)])
    if (alike.length > 0) await put(streamFiles(docker, source, alike, signal))
}

async function leaveLargeOut(parts: BridgeParts, source: RunningContainer): Promise<readonly ContainerMount[]> {
  const volumes = source.mounts.filter(({ kind }) => kind === 'other')
  if (volumes.length === 0) return source.mounts
  const sizes = await measureMounts(parts.docker, source, volumes)
  const isLarge = (mount: ContainerMount) => (sizes[volumes.indexOf(mount)] ?? 0) > volumeLimit
  for (const [index, mount] of volumes.entries()) if (isLarge(mount)) noteLeftOut(parts, source, mount, sizes[index]!)
  return source.mounts.filter((mount) => !isLarge(mount))
}

function noteLeftOut({ progress }: BridgeParts, { pod }: RunningContainer, { path }: ContainerMount, size: number): void {
  const why = `it has ${formatBytes(size)}, and volumes of more than ${formatBytes(volumeLimit)} are copied with files: 'all' only`
  progress({ kind: 'note', step: 'bridge', text: `volume "${path}" of pod "${pod.metadata!.name}" is left out: ${why}` })
}
