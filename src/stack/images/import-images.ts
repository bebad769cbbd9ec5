import { PassThrough, type Readable } from 'node:stream'

import type { NodeContainers } from '../../cluster/cluster.ts'
import type { Docker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { saveImages } from '../../docker/images.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { poll } from '../../support/poll.ts'
import type { LocalImage } from './images.ts'

/**
 * Streams images from Docker into every node that lacks them, to all at once, and believes it only when each node lists them under their names.
 * Not by `k3d image import`: k3d 5.9.0 ends with 0 when an import failed, and hangs with two nodes in direct mode.
 * Resolves to the images that some node lacked.
 * @throws ClusterTestError `ERR_IMAGE_IMPORT_FAILED` that names image and node
 */
export async function importImages(
  docker: Docker,
  { nodes }: NodeContainers,
  images: readonly LocalImage[],
  signal: AbortSignal,
): Promise<readonly LocalImage[]> {
  if (images.length === 0) return []
  signal.throwIfAborted()
  const lacks = await Promise.all(nodes.map(({ container }) => findLacking(docker, container, images, signal)))
  const missing = images.filter((image) => lacks.some((each) => each.includes(image)))
  if (missing.length === 0) return []
  const references = missing.map(({ reference }) => reference)
  const archive = await saveImages(docker, references).catch((error: unknown) => {
    throw new ClusterTestError('ERR_IMAGE_IMPORT_FAILED', `Docker could not export ${formatList(references)}: ${messageOf(error)}`, {
      cause: error,
      hint: 'An image was removed during set-up.',
    })
  })
  const targets = nodes.filter((_, index) => lacks[index]!.length > 0).map(({ container }) => container)
  await importArchive(docker, targets, archive, missing, signal)
  return missing
}

/** Milliseconds for all images of a suite: many gigabytes, on a slow disk. */
const importTimeout = 1_800_000

/** Gives one archive to several nodes. Exported for its tests: an archive that breaks off is nothing that Docker can be asked for. */
export async function importArchive(
  docker: Docker,
  nodes: readonly string[],
  archive: Readable,
  images: readonly LocalImage[],
  signal: AbortSignal,
): Promise<void> {
  const abort = () => archive.destroy()
  signal.addEventListener('abort', abort, { once: true })
  // Each node's share exists before the first byte flows.
  const shares = nodes.map((name) => ({ name, share: archive.pipe(new PassThrough()) }))
  // What breaks off would never end for the nodes.
  archive.on('error', () => shares.forEach(({ share }) => share.end()))
  archive.on('close', () => shares.forEach(({ share }) => share.end()))
  try {
    await Promise.all(shares.map(({ name, share }) => importInto(docker, name, share, images, signal)))
  } finally {
    signal.removeEventListener('abort', abort)
    archive.destroy()
  }
}

async function importInto(
  docker: Docker,
  node: string,
  archive: Readable,
  images: readonly LocalImage[],
  signal: AbortSignal,
): Promise<void> {
  let output = ''
  let hasFailed = false
  // "--local": the transfer service of containerd 2.3 takes six times as long for an archive from standard input.
  // One platform: an archive of Docker's containerd store names others, whose content is not in it (containerd/containerd#12908).
  try {
    output = await execInContainer(docker, node, ['ctr', 'image', 'import', '--local', '--platform', docker.platform, '-'], {
      input: archive,
      timeout: importTimeout,
      signal,
    })
  } catch (error) {
    signal.throwIfAborted()
    output = messageOf(error)
    hasFailed = true
  }
  const listed = await listImages(docker, node, signal)
  for (const { reference, id } of images) {
    const found = listed.get(canonicalName(reference))
    // With Docker's containerd store ids cannot be compared: what ctr says has to do.
    if (found !== undefined && (found === id || (docker.usesContainerdStore && !hasFailed))) continue
    const instead = found === undefined || docker.usesContainerdStore ? '' : ` The node has ${found} under that name, Docker ${id}.`
    throw new ClusterTestError(
      'ERR_IMAGE_IMPORT_FAILED',
      `Image "${reference}" did not arrive in node "${node}".${instead}\n${output.trim()}`,
      {
        hint: 'The Docker engine\'s disk may be full ("docker system df"), or the image may be built for another platform.',
      },
    )
  }
}

/** Those that a node does not have with the same content. With Docker's containerd store ids cannot be compared: all. */
async function findLacking(
  docker: Docker,
  node: string,
  images: readonly LocalImage[],
  signal: AbortSignal,
): Promise<readonly LocalImage[]> {
  const listed = await listAtFirst(docker, node, signal)
  return images.filter(({ reference, id }) => docker.usesContainerdStore || listed.get(canonicalName(reference)) !== id)
}

/** Id by name. */
async function listImages(docker: Docker, node: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { images } = JSON.parse(
    await execInContainer(docker, node, ['crictl', 'images', '--output', 'json'], { timeout: 60_000, signal }),
  ) as CrictlImages
  return new Map(images.flatMap(({ id, repoTags }) => repoTags.map((tag) => [tag, id] as const)))
}

/** The same, while containerd may not answer yet: images come into nodes that k3s has just begun to start. */
async function listAtFirst(docker: Docker, node: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const list = async () => {
    try {
      return await listImages(docker, node, signal)
    } catch (error) {
      if (error instanceof ClusterTestError && error.code === 'ERR_DOCKER_REQUEST_FAILED') return undefined
      throw error
    }
  }
  return poll(list, { interval: 100, signal })
}

interface CrictlImages {
  readonly images: readonly { readonly id: string; readonly repoTags: readonly string[] }[]
}

/** As containerd keeps it: `orders:1` is `docker.io/library/orders:1`. */
function canonicalName(reference: string): string {
  const [first = '', ...rest] = reference.split('/')
  const tagged = /:[^/]+$/.test(reference) ? reference : `${reference}:latest`
  if (rest.length === 0) return `docker.io/library/${tagged}`
  return /[.:]/.test(first) || first === 'localhost' ? tagged : `docker.io/${tagged}`
}
