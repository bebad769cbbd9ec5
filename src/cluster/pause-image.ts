import type { Docker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { Cluster } from './cluster.ts'

/** k3s writes it; the key is `sandbox_image` up to version 2 of containerd's format, and `sandbox` from version 3 on. */
const config = '/var/lib/rancher/k3s/agent/etc/containerd/config.toml'

/**
 * The image that holds the namespaces of every pod ("pause"): the one image that a node has, or gets, whatever it runs.
 * From the file, since `crictl info` of containerd 2 does not have it (containerd/containerd#11114).
 */
export async function readPauseImage(docker: Docker, { nodes }: Cluster, signal: AbortSignal): Promise<string> {
  const node = nodes[0]!.container
  const image = parsePauseImage(await execInContainer(docker, node, ['cat', config], { timeout: 30_000, signal }))
  if (image) return image
  throw new ClusterTestError(
    'ERR_IMAGE_NOT_FOUND',
    `Node "${node}" does not say which pause image it uses, and a stand-in runs that image.`,
    {
      hint: 'Use a k3s node image, or set standIn: false.',
    },
  )
}

export function parsePauseImage(toml: string): string | undefined {
  return /^\s*sandbox(?:_image)?\s*=\s*["']([^"']+)["']/m.exec(toml)?.[1]
}
