import { readPauseImage } from '../cluster/pause-image.ts'
import { type PrepareImagesOptions, prepareImages } from '../stack/images/images.ts'
import type { ImageDelivery } from './bring-up.ts'
import type { StartedCluster } from './cluster-life.ts'
import type { EngineParts } from './parts.ts'

interface DeliveryOptions extends Pick<PrepareImagesOptions, 'plan' | 'keepLog' | 'progress'> {
  readonly parts: EngineParts
  readonly started: Pick<StartedCluster, 'cluster' | 'importOnce'>
}

/** Docker has the images, and the nodes of a k3d cluster get them from there. */
export function k3dImages({ parts, started: { cluster, importOnce }, ...options }: DeliveryOptions): ImageDelivery {
  return {
    prepare: (manifests, signal) => prepareImages({ ...parts, ...options, manifests, signal }),
    bring: (images, signal) => importOnce(images, options.progress, signal),
    standIn: async (signal) => ({ image: await readPauseImage(parts.docker, cluster, signal) }),
  }
}
