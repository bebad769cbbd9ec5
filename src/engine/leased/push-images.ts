import { connectDocker } from '../../docker/docker.ts'
import { parseImageName, substituteImage } from '../../stack/images/image-names.ts'
import { type PrepareImagesOptions, buildOne } from '../../stack/images/images.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { runStep } from '../../support/progress.ts'

export interface PushOptions extends Omit<PrepareImagesOptions, 'docker' | 'manifests' | 'imported'> {
  /** With what stands before the names of images: `registry.example.com/team`. */
  readonly registry: string
}

/**
 * Builds images and pushes them. Resolves to what nodes pull for each name: by digest, so that what a pod runs is what was built, and no
 * node asks a registry again for what it has.
 * @throws ClusterTestError `ERR_IMAGE_PUSH_FAILED`
 */
export async function pushImages({ registry, plan, substitutes, ...options }: PushOptions): Promise<ReadonlyMap<string, string>> {
  const { progress, signal } = options
  const pushed = new Map<string, string>()
  if (plan.builds.length === 0) return pushed
  const docker = await connectDocker()
  for (const build of plan.builds) {
    const built = await buildOne(build, (image) => substituteImage(substitutes, image), { ...options, docker })
    const repository = `${registry}/${parseImageName(build.name).base}`
    const tag = parseImageName(built).tag!
    const reference = `${repository}:${tag}`
    await docker.engine.getImage(built).tag({ repo: repository, tag })
    const digest = await runStep(progress, 'image', `push "${reference}"`, () =>
      docker.push(reference, signal).catch((cause: unknown) => {
        signal.throwIfAborted()
        throw new ClusterTestError('ERR_IMAGE_PUSH_FAILED', `Image "${reference}" could not be pushed: ${messageOf(cause)}.`, {
          cause,
          hint: `See whether "docker push ${reference}" works; "docker login ${registry.split('/')[0]}" logs you in.`,
        })
      }),
    )
    pushed.set(build.name, `${repository}@${digest}`)
  }
  return pushed
}
