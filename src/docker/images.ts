import type { Readable } from 'node:stream'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type Docker, isNotFound } from './docker.ts'

export interface ImageInfo {
  /** `sha256:…` */
  readonly id: string
  /** Bytes, all layers. */
  readonly size: number
}

/** undefined when Docker does not have the image. */
export async function inspectImage(docker: Docker, reference: string): Promise<ImageInfo | undefined> {
  try {
    const { Id, Size } = await docker.engine.getImage(reference).inspect()
    return { id: Id, size: Size }
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Folders that the image says it keeps data in. None where Docker does not have it. */
export async function readImageVolumes(docker: Docker, reference: string): Promise<readonly string[]> {
  try {
    return Object.keys((await docker.engine.getImage(reference).inspect()).Config.Volumes ?? {})
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}

/**
 * Pulls an image with the engine's own settings.
 * @throws ClusterTestError `ERR_IMAGE_NOT_FOUND` when no registry gives it
 */
export async function pullImage(docker: Docker, reference: string, signal: AbortSignal): Promise<ImageInfo> {
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  try {
    await Promise.race([docker.pull(reference), aborted])
  } catch (error) {
    signal.throwIfAborted()
    throw new ClusterTestError(
      'ERR_IMAGE_NOT_FOUND',
      `Image "${reference}" does not exist in Docker and could not be pulled: ${messageOf(error)}.`,
      {
        cause: error,
        hint: `Check the name with "docker pull ${reference}", log in with "docker login", or build it: images: { name: './folder-with-a-Dockerfile' }.`,
      },
    )
  }
  const info = await inspectImage(docker, reference)
  if (!info) throw new ClusterTestError('ERR_IMAGE_NOT_FOUND', `Docker pulled image "${reference}", but it does not exist afterwards.`)
  return info
}

/** Images as one archive, as `docker save` writes it: layers that they share are in it once. */
export async function saveImages(docker: Docker, references: readonly string[]): Promise<Readable> {
  // In dockerode 5, but not in its types.
  const engine = docker.engine as unknown as { getImages(options: { names: readonly string[] }): Promise<Readable> }
  return engine.getImages({ names: references })
}

interface StreamRecord {
  readonly stream?: string
  readonly status?: string
  readonly error?: string
  readonly aux?: { readonly ID?: string }
}

/** Reads a build's or pull's records to the end. A failing step arrives as a record, not as an error of the request. */
export function followStream(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  onRecord?: (record: StreamRecord) => void,
): Promise<readonly StreamRecord[]> {
  return new Promise((resolve, reject) => {
    docker.engine.modem.followProgress(
      stream,
      (error: Error | null, records: StreamRecord[]) => {
        const failed = records?.find((record) => record.error)
        if (error || failed) reject(error ?? new Error(failed?.error))
        else resolve(records)
      },
      (record: StreamRecord) => onRecord?.(record),
    )
  })
}
