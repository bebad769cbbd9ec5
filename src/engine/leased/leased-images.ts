import { parseImageName, substituteImage } from '../../stack/images/image-names.ts'
import type { ImagePlan } from '../../stack/images/images.ts'
import { mapContainers } from '../../stack/manifests/pod-spec.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { ImageDelivery } from '../bring-up.ts'
import { type PushOptions, pushImages } from './push-images.ts'

interface LeasedImagesOptions extends Omit<PushOptions, 'registry' | 'signal'> {
  readonly registry: string | undefined
  /** Of the relay, which can do nothing too. */
  readonly relayImage: string
}

/** The nodes pull images themselves: by the names that they have in manifests, and what is built from the registry that it is pushed to. */
export function leasedImages({ registry, relayImage, ...options }: LeasedImagesOptions): ImageDelivery {
  const { plan, substitutes } = options
  let pushed: Promise<ReadonlyMap<string, string>> | undefined
  return {
    async prepare(manifests, signal) {
      const built = registry === undefined ? new Map<string, string>() : await (pushed ??= pushImages({ ...options, registry, signal }))
      const chosen = new Map([
        ...plan.pulls.map(({ name, reference }) => [name, substituteImage(substitutes, reference)] as const),
        ...built,
      ])
      const rewritten = manifests.map((manifest) => ({
        ...manifest,
        object: mapContainers(manifest.object, (container) => {
          const { repository, base } = parseImageName(container.image)
          const image = chosen.get(repository) ?? chosen.get(base) ?? substituteImage(substitutes, container.image)
          // What is named by its content need not be asked for again.
          const policy = image.includes('@') && container.imagePullPolicy === 'Always' ? { imagePullPolicy: 'IfNotPresent' } : {}
          return { ...container, image, ...policy }
        }),
      }))
      return { images: [], manifests: rewritten }
    },
    bring: async () => {},
    // It has a shell, which ends at SIGTERM.
    standIn: async () => ({ image: relayImage, command: ['sh', '-c', 'trap exit TERM; while :; do sleep 60 & wait; done'] }),
  }
}

/** @throws ClusterTestError `ERR_IMAGE_NO_REGISTRY` */
export function refuseBuilds({ builds }: ImagePlan, registry: string | undefined): void {
  const [build] = builds
  if (!build || registry !== undefined) return
  throw new ClusterTestError(
    'ERR_IMAGE_NO_REGISTRY',
    `Image "${build.name}" is to be built of "${build.build}", and an existing cluster gets images from registries alone.`,
    {
      hint: `Name a registry that the cluster pulls from, in cluster.registry of the plugin. Or push the image yourself, and name what you have pushed: images: { ${JSON.stringify(build.name)}: 'registry.example.com/${build.name}:dev' }. Or bridge its workload, whose image then is not needed.`,
    },
  )
}
