import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'

import type { Docker } from '../docker/docker.ts'
import { inspectImage, pullImage } from '../docker/images.ts'
import { readSettings } from '../engine/settings.ts'
import { buildByContent } from '../stack/images/build-by-content.ts'
import { substituteImage } from '../stack/images/image-names.ts'
import { planImages } from '../stack/images/images.ts'
import type { ImageBuild, StackOptions } from '../stack/options.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { CliContext } from './command.ts'
import { loadStacks } from './stack/find-stacks.ts'

/** An image to look at: of Docker, or to build. */
export interface WantedImage {
  readonly name: string
  readonly maxSize?: string | number | undefined
  readonly build?: (ImageBuild & { readonly context: string }) | undefined
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` when nothing is named, or the file exports no stack */
export async function wantedImages(names: readonly string[], stackFile: string | undefined, cwd: string): Promise<readonly WantedImage[]> {
  const fromStack = stackFile === undefined ? [] : await imagesOfStack(resolve(cwd, stackFile))
  const fromNames = await wantedOf(await Promise.all(names.map((name) => asFolder(name, cwd))), cwd)
  const all = [...fromStack, ...fromNames]
  if (all.length > 0) return all
  throw new ClusterTestError(
    'ERR_OPTIONS_INVALID',
    stackFile === undefined ? 'Expected at least one image.' : `The stack in "${stackFile}" has no images.`,
    {
      hint: 'Name folders with a Dockerfile (npx vitest-kubernetes images ./orders), images, or a file that exports a stack (--stack stack.ts).',
    },
  )
}

/** Resolves to the name of the image in Docker. What is built has no name but one of its content. */
export async function buildWanted(docker: Docker, { name, build }: WantedImage, { env, note }: CliContext): Promise<string> {
  const { substitutes, buildNetwork: network } = readSettings(env)
  const substitute = (image: string) => substituteImage(substitutes, image)
  const { signal } = new AbortController()
  if (build) {
    note(`build ${name} …`)
    return (await buildByContent(docker, name, { ...build, network, substitute, signal })).id
  }
  const image = substitute(name)
  if (!(await inspectImage(docker, image))) await pullImage(docker, image, signal)
  return image
}

/** `orders` is a folder where there is one with a Dockerfile. */
async function asFolder(name: string, cwd: string): Promise<string> {
  const isThere = await stat(resolve(cwd, name, 'Dockerfile')).then(
    () => true,
    () => false,
  )
  return isThere ? resolve(cwd, name) : name
}

async function wantedOf(images: StackOptions['images'], folder: string): Promise<readonly WantedImage[]> {
  const { builds, pulls } = await planImages(images, folder)
  return [
    ...builds.map((build) => ({ name: build.name, maxSize: build.maxSize, build })),
    ...pulls.map(({ reference }) => ({ name: reference })),
  ]
}

async function imagesOfStack(file: string): Promise<readonly WantedImage[]> {
  const stacks = (await loadStacks(file)).filter(({ options }) => options.images)
  if (stacks.length === 0)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `"${file}" exports no stack with images.`, {
      hint: 'Export it: export const shop = { images: [...], … }, or by default.',
    })
  return (await Promise.all(stacks.map(({ options: { images, folder = '.' } }) => wantedOf(images, folder)))).flat()
}
