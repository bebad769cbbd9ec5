import { basename, isAbsolute, resolve } from 'node:path'

import type { Docker } from '../../docker/docker.ts'
import { formatLayers, readImageLayers } from '../../docker/image-layers.ts'
import { inspectImage, pullImage } from '../../docker/images.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { folderExists } from '../../support/folder-exists.ts'
import { formatBytes, formatList } from '../../support/format.ts'
import { parseSize } from '../../support/parse-size.ts'
import { type Progress, runStep } from '../../support/progress.ts'
import type { Manifest } from '../manifests/manifests.ts'
import { type Container, mapContainers } from '../manifests/pod-spec.ts'
import type { ImageBuild, StackOptions } from '../options.ts'
import { buildByContent, tagByContent } from './build-by-content.ts'
import { type ImageSubstitutes, parseImageName, substituteImage } from './image-names.ts'

/** An image that Docker has and the nodes are to get. */
export interface LocalImage {
  readonly reference: string
  /** `sha256:…` */
  readonly id: string
}

/** Images by name in the manifests: to build, or to pull. */
export interface ImagePlan {
  readonly builds: readonly (ImageBuild & { readonly name: string; readonly context: string })[]
  readonly pulls: readonly { readonly name: string; readonly reference: string }[]
}

/**
 * Sorts the option `images` into what to build and what to pull.
 * @throws ClusterTestError `ERR_IMAGE_BUILD_FAILED` for a folder that does not exist
 */
export async function planImages(images: StackOptions['images'] = [], folder: string): Promise<ImagePlan> {
  const named: readonly (readonly [string, string | ImageBuild])[] = Array.isArray(images)
    ? images.map((image: string) => [isFolder(image) ? basename(resolve(folder, image)) : image, image])
    : Object.entries(images as Readonly<Record<string, string | ImageBuild>>)
  const entries = named.map(([name, image]) => [parseImageName(name).repository, image] as const)
  const builds = entries.flatMap(([name, image]) => {
    if (typeof image === 'string') return isFolder(image) ? [{ name, build: image, context: resolve(folder, image) }] : []
    return [{ ...image, name, context: resolve(folder, image.build) }]
  })
  for (const { build, context } of builds) {
    if (!(await folderExists(context)))
      throw new ClusterTestError(
        'ERR_IMAGE_BUILD_FAILED',
        `Folder "${build}" in option \`images\` does not exist: looked at "${context}".`,
        { hint: 'Paths in "images" are relative to the test file.' },
      )
  }
  return {
    builds,
    pulls: entries.flatMap(([name, image]) => (typeof image === 'string' && !isFolder(image) ? [{ name, reference: image }] : [])),
  }
}

function isFolder(image: string): boolean {
  return image.startsWith('.') || isAbsolute(image)
}

export interface PrepareImagesOptions {
  readonly docker: Docker
  readonly plan: ImagePlan
  readonly manifests: readonly Manifest[]
  readonly substitutes: ImageSubstitutes
  readonly buildNetwork: string | undefined
  /** What a run writes, which is no part of a build. @default [] */
  readonly outputs?: readonly string[]
  /** What the nodes have got before: id by name. */
  readonly imported?: ReadonlyMap<string, string>
  /** Keeps the log of a build that failed. Resolves with where it is. @default it is not kept */
  readonly keepLog?: ((name: string, log: string) => Promise<string | undefined>) | undefined
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * Builds and pulls what the stack needs. Resolves to the images for the nodes and to the manifests that name them:
 * a built image gets a tag of its content, so that no pod can run an older build of the same name.
 */
export async function prepareImages(
  options: PrepareImagesOptions,
): Promise<{ readonly images: readonly LocalImage[]; readonly manifests: readonly Manifest[] }> {
  const { docker, plan, manifests, substitutes, imported, progress, signal } = options
  const replaced = new Set<string>()
  const substitute = (image: string) => {
    const to = substituteImage(substitutes, image)
    if (to !== image) replaced.add(image)
    return to
  }
  /** What to use for the images of that name. */
  const chosen = new Map<string, string>()
  for (const build of plan.builds) chosen.set(build.name, await buildOne(build, substitute, options))
  for (const { name, reference } of plan.pulls) {
    const image = substitute(reference)
    if (!(await inspectImage(docker, image))) await runStep(progress, 'image', `pull "${image}"`, () => pullImage(docker, image, signal))
    chosen.set(name, image)
  }

  const wanted = new Set(chosen.values())
  const rewritten = manifests.map((manifest) => ({
    ...manifest,
    object: mapContainers(manifest.object, (container) => {
      const name = parseImageName(container.image)
      const image = chosen.get(name.repository) ?? chosen.get(name.base) ?? substitute(container.image)
      wanted.add(image)
      return { ...container, image }
    }),
  }))
  if (replaced.size > 0) progress({ kind: 'note', step: 'image', text: `substituted: ${formatList([...replaced])}` })

  const images: LocalImage[] = []
  const renamed = new Map<string, string>()
  for (const reference of wanted) {
    const info = await inspectImage(docker, reference)
    if (!info) continue
    const earlier = imported?.get(reference)
    // An archive does not carry digests, so a node would not find an image by its own: Docker has checked it.
    const isPinned = parseImageName(reference).digest !== undefined
    if (isPinned || (earlier !== undefined && earlier !== info.id)) renamed.set(reference, await tagByContent(docker, reference, info.id))
    images.push({ reference: renamed.get(reference) ?? reference, id: info.id })
  }
  const local = new Set(images.map(({ reference }) => reference))
  return {
    images,
    manifests: rewritten.map((manifest) => ({
      ...manifest,
      object: mapContainers(manifest.object, (container) =>
        keepFromPulling({ ...container, image: renamed.get(container.image) ?? container.image }, local),
      ),
    })),
  }
}

/** Resolves to the name of what was built, with a tag of its content. */
export async function buildOne(
  { name, build, context, dockerfile, target, buildArgs, maxSize }: ImagePlan['builds'][number],
  substitute: (image: string) => string,
  {
    docker,
    buildNetwork: network,
    outputs: leftOut,
    keepLog: keep,
    progress,
    signal,
  }: Omit<PrepareImagesOptions, 'plan' | 'manifests' | 'substitutes'>,
): Promise<string> {
  const keepLog = keep && ((log: string) => keep(name, log))
  const options = { context, dockerfile, target, buildArgs, network, leftOut, substitute, keepLog, signal }
  const { reference } = await runStep(
    progress,
    'image',
    `build "${build}"`,
    () => buildByContent(docker, name, options, (draft, { size }) => checkSize(docker, { name, build, maxSize, reference: draft, size })),
    (built) => `build "${build}" as ${built.reference}, ${formatBytes(built.size)}`,
  )
  return reference
}

async function checkSize(
  docker: Docker,
  image: {
    readonly name: string
    readonly build: string
    readonly maxSize: ImageBuild['maxSize']
    readonly reference: string
    readonly size: number
  },
): Promise<void> {
  const limit = parseSize(image.maxSize)
  if (limit === undefined || image.size <= limit) return
  const table = formatLayers(await readImageLayers(docker, image.reference))
  throw new ClusterTestError(
    'ERR_IMAGE_TOO_LARGE',
    `Image "${image.name}" is ${formatBytes(image.size)}, and its maxSize is ${formatBytes(limit)}:\n${table.replaceAll(/^/gm, '  ')}`,
    { hint: `See its biggest files and what you can remove: npx vitest-kubernetes images ${image.build}` },
  )
}

/** A node that has the image must not ask a registry for it: Kubernetes does so for `:latest` unless told otherwise, and for `Always`. */
function keepFromPulling(container: Container, local: ReadonlySet<string>): Container {
  if (!local.has(container.image) || container.imagePullPolicy === 'Never') return container
  return { ...container, imagePullPolicy: 'IfNotPresent' }
}
