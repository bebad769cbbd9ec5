import { ClusterTestError } from '../support/errors.ts'
import { formatBytes } from '../support/format.ts'
import { formatTable } from '../support/table.ts'
import { type Docker, isNotFound } from './docker.ts'

/** What an image is made of. */
export interface ImageLayers {
  readonly id: string
  /** Bytes, all layers. */
  readonly size: number
  /** As whom it runs; root when nothing is said. */
  readonly user: string
  /** Image that it begins with, if this engine has it under a name. */
  readonly base: string | undefined
  readonly baseSize: number
  /** The lowest first, without steps that add nothing; those of the base are one. */
  readonly layers: readonly ImageLayer[]
}

export interface ImageLayer {
  /** The step of the Dockerfile that made it: `RUN npm ci`; of the base: `FROM node:24`. */
  readonly step: string
  readonly size: number
}

/** @throws ClusterTestError `ERR_IMAGE_NOT_FOUND` */
export async function readImageLayers(docker: Docker, reference: string): Promise<ImageLayers> {
  const image = docker.engine.getImage(reference)
  try {
    const [info, history] = await Promise.all([image.inspect(), image.history() as Promise<readonly HistoryEntry[]>])
    const base = await findBase(docker, info.Id, info.RootFS.Layers ?? [])
    const own = history.slice(0, history.length - (base?.historyLength ?? 0)).toReversed()
    const steps = own.filter(({ Size }) => Size > 0).map(({ CreatedBy, Size }) => ({ step: readableStep(CreatedBy), size: Size }))
    return {
      id: info.Id,
      size: info.Size,
      user: info.Config.User || 'root',
      base: base?.name,
      baseSize: base?.size ?? 0,
      layers: base ? [{ step: `FROM ${base.name}`, size: base.size }, ...steps] : steps,
    }
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw new ClusterTestError('ERR_IMAGE_NOT_FOUND', `Docker has no image "${reference}".`, {
      cause: error,
      hint: 'Name a folder to build (./orders), or an image that "docker image ls" lists.',
    })
  }
}

/** The table that says where the size of an image comes from. */
export function formatLayers({ layers }: Pick<ImageLayers, 'layers'>, width = 100): string {
  const shorten = (text: string) => (text.length > width ? `${text.slice(0, width - 1)}…` : text)
  return formatTable(
    ['size', 'step'],
    layers.map(({ step, size }) => [formatBytes(size), shorten(step)]),
    [0],
  )
}

interface HistoryEntry {
  readonly CreatedBy: string
  readonly Size: number
}

/** As in the Dockerfile: the classic builder and BuildKit each write it down in their own way. */
export function readableStep(createdBy: string): string {
  const text = createdBy.replaceAll(/\s+/g, ' ').trim()
  const [, instruction] = /^\/bin\/sh -c #\(nop\) (.*)$/.exec(text) ?? []
  // "COPY dir:0123… in /app ": the name of a source is a checksum there.
  if (instruction !== undefined) return instruction.trim().replace(/^(COPY|ADD) (?:(?:multi|file|dir):[0-9a-f]+ in )/, '$1 … ')
  const [, , run] = /^(RUN (?:\|\d+ .*?)?)?\/bin\/sh -c (.*?)(?: # buildkit)?$/.exec(text) ?? []
  if (run !== undefined) return `RUN ${run}`
  // "|1 VERSION=3 /bin/sh -c npm ci": values of build arguments.
  const [, withArgs] = /^\|\d+ .*? \/bin\/sh -c (.*)$/.exec(text) ?? []
  return withArgs === undefined ? text.replace(/ # buildkit$/, '') : `RUN ${withArgs}`
}

/** Of all images with a name, the one whose layers are the longest beginning of this one's. */
async function findBase(docker: Docker, id: string, layers: readonly string[]) {
  const named = (await docker.engine.listImages()).filter(
    ({ Id, RepoTags }) => Id !== id && RepoTags?.some((tag) => !tag.startsWith('<none>')),
  )
  const bases = await Promise.all(
    named.map(async ({ Id, RepoTags }) => {
      try {
        const { RootFS, Size } = await docker.engine.getImage(Id).inspect()
        const own = RootFS.Layers ?? []
        const isBase = own.length > 0 && own.length < layers.length && own.every((layer, index) => layer === layers[index])
        return isBase ? { id: Id, name: RepoTags!.find((tag) => !tag.startsWith('<none>'))!, size: Size, length: own.length } : undefined
      } catch (error) {
        // Gone since it was listed.
        if (isNotFound(error)) return undefined
        throw error
      }
    }),
  )
  const [best] = bases.flatMap((base) => base ?? []).toSorted((a, b) => b.length - a.length)
  if (!best) return undefined
  const history = (await docker.engine.getImage(best.id).history()) as readonly HistoryEntry[]
  return { name: best.name, size: best.size, historyLength: history.length }
}
