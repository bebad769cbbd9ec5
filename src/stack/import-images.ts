import { PassThrough, type Readable } from 'node:stream'

import type { Cluster } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import { execInDocker } from '../docker/exec.ts'
import { saveImages } from '../docker/images.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { poll } from '../support/poll.ts'
import type { LocalImage } from './images.ts'

/**
 * Streams images from Docker into every node at once, and believes it only when each node lists them under their names.
 * Not by `k3d image import`: k3d 5.9.0 ends with 0 when an import failed, and hangs with two nodes in direct mode.
 * @throws ClusterTestError `ERR_IMAGE_IMPORT_FAILED` that names image and node
 */
export async function importImages(docker: Docker, { nodes }: Cluster, images: readonly LocalImage[], signal: AbortSignal): Promise<void> {
  if (images.length === 0) return
  signal.throwIfAborted()
  const archive = await saveImages(
    docker,
    images.map(({ reference }) => reference),
  )
  const abort = () => archive.destroy()
  signal.addEventListener('abort', abort, { once: true })
  try {
    // Each node's share exists before the first byte flows.
    const shares = nodes.map(({ name }) => ({ name, share: archive.pipe(new PassThrough()) }))
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
  await waitForContainerd(docker, node, signal)
  let output = ''
  // "--local": the transfer service of containerd 2.3 takes six times as long for an archive from standard input.
  // One platform: an archive of Docker's containerd store names others, whose content is not in it (containerd/containerd#12908).
  try {
    output = await execInDocker(docker, node, ['ctr', 'image', 'import', '--local', '--platform', docker.platform, '-'], {
      input: archive,
      signal,
    })
  } catch (error) {
    signal.throwIfAborted()
    output = messageOf(error)
  }
  const { images: listed } = JSON.parse(
    await execInDocker(docker, node, ['crictl', 'images', '--output', 'json'], { signal }),
  ) as CrictlImages
  for (const { reference, id } of images) {
    const found = listed.find(({ repoTags }) => repoTags.includes(canonicalName(reference)))
    if (found && (found.id === id || docker.usesContainerdStore)) continue
    const instead = found ? ` The node has ${found.id} under that name, Docker ${id}.` : ''
    throw new ClusterTestError(
      'ERR_IMAGE_IMPORT_FAILED',
      `Image "${reference}" did not arrive in node "${node}".${instead}\n${output.trim()}`,
      {
        hint: 'The disk of the Docker engine may be full ("docker system df"), or the image built for another platform.',
      },
    )
  }
}

/** k3s calls itself running when its API answers; its containerd may take a moment longer. */
async function waitForContainerd(docker: Docker, node: string, signal: AbortSignal): Promise<void> {
  const isUp = async () => {
    try {
      return await execInDocker(docker, node, ['crictl', 'version'], { signal })
    } catch (error) {
      if (error instanceof ClusterTestError && error.code === 'ERR_DOCKER_REQUEST_FAILED') return undefined
      throw error
    }
  }
  await poll(isUp, { interval: 100, signal })
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
