import type { Cluster } from '../cluster/cluster.ts'
import type { K3d } from '../cluster/k3d.ts'
import type { Docker } from '../docker/docker.ts'
import { execInDocker } from '../docker/exec.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { LocalImage } from './images.ts'

/**
 * Brings images from Docker into every node, and believes it only when each node lists them under their names.
 * k3d 5.9.0 prints failures and ends with 0, so its exit code says nothing.
 * @throws ClusterTestError `ERR_IMAGE_IMPORT_FAILED` that names image and node
 */
export async function importImages(
  docker: Docker,
  k3d: K3d,
  cluster: Cluster,
  images: readonly LocalImage[],
  signal: AbortSignal,
): Promise<void> {
  if (images.length === 0) return
  const output = await k3d.importImages(
    cluster.name,
    images.map(({ reference }) => reference),
    signal,
  )
  await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      const { images: listed } = JSON.parse(await execInDocker(docker, name, ['crictl', 'images', '--output', 'json'])) as CrictlImages
      for (const { reference, id } of images) {
        const found = listed.find(({ repoTags }) => repoTags.includes(canonicalName(reference)) || repoTags.includes(reference))
        const isSame = found && (found.id === id || docker.usesContainerdStore)
        if (!found || !isSame) {
          throw new ClusterTestError(
            'ERR_IMAGE_IMPORT_FAILED',
            `Image "${reference}" did not arrive in node "${name}"${found ? `: the node has ${found.id} under that name, Docker ${id}` : ''}.\n${output.trim()}`,
            {
              hint: `See what k3d says: k3d image import --mode direct --cluster ${cluster.name} ${reference}`,
            },
          )
        }
      }
    }),
  )
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
