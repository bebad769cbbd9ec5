import { PassThrough, type Readable } from 'node:stream'

import type { Cluster } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import { execInDocker } from '../docker/exec.ts'
import { saveImages } from '../docker/images.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
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
  const abort = () => archive.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    // Each node's share exists before the first byte flows.
    const shares = nodes.map(({ name }) => ({ name, share: archive.pipe(new PassThrough()) }))
    await Promise.all(shares.map(({ name, share }) => importInto(docker, name, share, images)))
  } finally {
    signal.removeEventListener('abort', abort)
    archive.destroy()
  }
}

async function importInto(docker: Docker, node: string, archive: Readable, images: readonly LocalImage[]): Promise<void> {
  let output = ''
  // "--local": the transfer service of containerd 2.3 takes six times as long for an archive from standard input.
  try {
    output = await execInDocker(docker, node, ['ctr', 'image', 'import', '--local', '--all-platforms', '-'], { input: archive })
  } catch (error) {
    output = messageOf(error)
  }
  const { images: listed } = JSON.parse(await execInDocker(docker, node, ['crictl', 'images', '--output', 'json'])) as CrictlImages
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
