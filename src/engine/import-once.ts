import type { Cluster, NodeContainers } from '../cluster/cluster.ts'
import type { Docker } from '../docker/docker.ts'
import type { LocalImage } from '../stack/images/images.ts'
import { importImages } from '../stack/images/import-images.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { createQueue } from '../support/turns.ts'

/** Brings images into the nodes of a cluster, each of them once. */
export interface ImportOnce {
  (images: readonly LocalImage[], progress: Progress, signal: AbortSignal): Promise<void>
  /** As the whole, before anybody waits for it. Whoever asks first for these images hears how it ends: it is not tried once more. */
  begin(images: readonly LocalImage[], progress: Progress, signal: AbortSignal): Promise<void>
  /** What the nodes have got: id by name. */
  readonly imported: ReadonlyMap<string, string>
}

/** Where images go, and what is there. */
export type ImportTarget = NodeContainers & Partial<Pick<Cluster, 'template'>>

/**
 * One import after the other: what two suites of a shared cluster both need is there for the second one.
 * @param target known once its nodes run
 */
export function createImportOnce(docker: Docker, target: Promise<ImportTarget>): ImportOnce {
  const imported = new Map<string, string>()
  const known = target.then(addKnown)
  // Said by whoever imports.
  known.catch(() => undefined)
  const inTurn = createQueue()

  function addKnown(cluster: ImportTarget): ImportTarget {
    for (const [reference, id] of Object.entries(cluster.template?.images ?? {})) imported.set(reference, id)
    return cluster
  }

  const run = async (images: readonly LocalImage[], progress: Progress, signal: AbortSignal): Promise<void> => {
    const cluster = await known
    const missing = images.filter(({ id, reference }) => imported.get(reference) !== id)
    if (missing.length === 0) return
    const names = missing.length === 1 ? `"${missing[0]!.reference}"` : `${missing.length} images`
    const nodes = cluster.nodes.length === 1 ? 'the node' : `${cluster.nodes.length} nodes`
    await runStep(progress, 'import', `${names} into ${nodes}`, () => importImages(docker, cluster, missing, signal))
    for (const { id, reference } of missing) imported.set(reference, id)
  }

  let ahead: { readonly images: readonly LocalImage[]; readonly done: Promise<void> } | undefined
  const importOnce: typeof run = (images, ...args) => {
    const begun = ahead
    if (begun?.images !== images) return inTurn(() => run(images, ...args))
    ahead = undefined
    return begun.done
  }
  const begin: typeof run = (...args) => {
    const done = inTurn(() => run(...args))
    ahead = { images: args[0], done }
    return done
  }
  return Object.assign(importOnce, { begin, imported })
}
