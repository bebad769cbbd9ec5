import { type BuildOptions, buildImage } from '../../docker/build-image.ts'
import type { Docker } from '../../docker/docker.ts'
import type { ImageInfo } from '../../docker/images.ts'
import { randomId } from '../../support/identity.ts'
import { parseImageName } from './image-names.ts'

/** Built images carry it, so that `docker image prune --filter label=…` finds them. */
const imageLabel = 'vitest-kubernetes.image'

/**
 * Builds an image, and gives it a tag of its content unless `check` refuses the draft.
 * @throws ClusterTestError `ERR_IMAGE_BUILD_FAILED`, and what `check` throws
 */
export async function buildByContent(
  docker: Docker,
  name: string,
  options: Omit<BuildOptions, 'tag' | 'labels' | 'onLine'>,
  check: (draft: string, info: ImageInfo) => Promise<void> = async () => {},
): Promise<ImageInfo & { readonly reference: string }> {
  // Of this build alone: another suite may build a folder of the same name at the same time.
  const draft = `vitest-kubernetes/build:${randomId(8)}`
  const info = await buildImage(docker, { ...options, tag: draft, labels: { [imageLabel]: name }, onLine: () => {} })
  try {
    await check(draft, info)
    return { ...info, reference: await tagByContent(docker, draft, info.id, name) }
  } finally {
    await docker.engine.getImage(draft).remove({ noprune: true })
  }
}

/** The same name with other content would leave the pods as they are: their spec does not change. */
export async function tagByContent(
  docker: Docker,
  reference: string,
  id: string,
  name = parseImageName(reference).repository,
): Promise<string> {
  const tag = `vk-${id.replace('sha256:', '').slice(0, 12)}`
  await docker.engine.getImage(reference).tag({ repo: name, tag })
  return `${name}:${tag}`
}
