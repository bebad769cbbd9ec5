import type { Cluster } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import type { LocalImage } from '../stack/images/images.ts'
import { importImages } from '../stack/images/import-images.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { createQueue } from '../support/turns.ts'

/** Brings images into the nodes of a cluster, each of them once. */
export interface ImportOnce {
  (images: readonly LocalImage[], progress: Progress, signal: AbortSignal): Promise<void>
  /** What the nodes have got: id by name. */
  readonly imported: ReadonlyMap<string, string>
}

/** One import after the other: what two suites of a shared cluster both need is there for the second one. */
export function createImportOnce(docker: Docker, cluster: Cluster): ImportOnce {
  const imported = new Map(Object.entries(cluster.template?.images ?? {}))
  const inTurn = createQueue()

  const run = async (images: readonly LocalImage[], progress: Progress, signal: AbortSignal): Promise<void> => {
    const missing = images.filter(({ id, reference }) => imported.get(reference) !== id)
    if (missing.length === 0) return
    const names = missing.length === 1 ? `"${missing[0]!.reference}"` : `${missing.length} images`
    const nodes = cluster.nodes.length === 1 ? 'the node' : `${cluster.nodes.length} nodes`
    await runStep(progress, 'import', `${names} into ${nodes}`, () => importImages(docker, cluster, missing, signal))
    for (const { id, reference } of missing) imported.set(reference, id)
  }

  const importOnce = (...args: Parameters<typeof run>) => inTurn(() => run(...args))
  return Object.assign(importOnce, { imported })
}
