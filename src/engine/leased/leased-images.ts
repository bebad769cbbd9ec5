import { type ImageSubstitutes, parseImageName, substituteImage } from '../../stack/images/image-names.ts'
import type { ImagePlan } from '../../stack/images/images.ts'
import { mapContainers } from '../../stack/manifests/pod-spec.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { ImageDelivery } from '../bring-up.ts'

interface LeasedImagesOptions {
  readonly plan: ImagePlan
  readonly substitutes: ImageSubstitutes
  /** Of the relay, which can do nothing too. */
  readonly relayImage: string
}

/**
 * The nodes pull images themselves, by the names that they have there.
 * @throws ClusterTestError `ERR_IMAGE_NO_REGISTRY` for one that is to be built
 */
export function leasedImages({ plan, substitutes, relayImage }: LeasedImagesOptions): ImageDelivery {
  refuseBuilds(plan)
  const chosen = new Map(plan.pulls.map(({ name, reference }) => [name, reference]))
  return {
    prepare: async (manifests) => ({
      images: [],
      manifests: manifests.map((manifest) => ({
        ...manifest,
        object: mapContainers(manifest.object, (container) => {
          const { repository, base } = parseImageName(container.image)
          const image = chosen.get(repository) ?? chosen.get(base) ?? container.image
          return { ...container, image: substituteImage(substitutes, image) }
        }),
      })),
    }),
    bring: async () => {},
    // It has a shell, which ends at SIGTERM.
    standIn: async () => ({ image: relayImage, command: ['sh', '-c', 'trap exit TERM; while :; do sleep 60 & wait; done'] }),
  }
}

/** @throws ClusterTestError `ERR_IMAGE_NO_REGISTRY` */
export function refuseBuilds({ builds }: ImagePlan): void {
  const [build] = builds
  if (!build) return
  throw new ClusterTestError(
    'ERR_IMAGE_NO_REGISTRY',
    `Image "${build.name}" is to be built of "${build.build}", and an existing cluster gets images from registries alone.`,
    {
      hint: `Push it, and name what you have pushed: images: { ${JSON.stringify(build.name)}: 'registry.example.com/${build.name}:dev' }. Or bridge its workload, whose image then is not needed.`,
    },
  )
}
