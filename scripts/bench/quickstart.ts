import { join } from 'node:path'

import type { Docker } from '../../src/docker/docker.ts'
import type { Settings } from '../../src/engine/settings.ts'
import { planImages, prepareImages } from '../../src/stack/images/images.ts'
import { loadManifests } from '../../src/stack/manifests/manifests.ts'

export const quickstart = join(import.meta.dirname, '../../examples/quickstart')

/** Builds the quickstart's images, and resolves to them and to the manifests that name them. */
export async function prepareQuickstart(docker: Docker, settings: Settings, signal: AbortSignal): ReturnType<typeof prepareImages> {
  return prepareImages({
    docker,
    plan: await planImages(['./orders', './inventory'], quickstart),
    manifests: await loadManifests('./k8s', quickstart),
    ...settings,
    progress: () => {},
    signal,
  })
}
