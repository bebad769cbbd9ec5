import { ClusterTestError } from '../../support/errors.ts'

/** An image reference in its parts: `registry.example.com/shop/orders:1.2@sha256:…`. */
export interface ImageName {
  /** Without tag and digest, and without Docker Hub's implied `docker.io/library/`. */
  readonly repository: string
  /** The repository's last part: `orders`. */
  readonly base: string
  readonly tag: string | undefined
  readonly digest: string | undefined
}

export function parseImageName(reference: string): ImageName {
  const [name = '', digest] = reference.split('@', 2)
  const colon = name.lastIndexOf(':')
  const hasTag = colon > name.lastIndexOf('/')
  const repository = (hasTag ? name.slice(0, colon) : name).replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '')
  return { repository, base: repository.slice(repository.lastIndexOf('/') + 1), tag: hasTag ? name.slice(colon + 1) : undefined, digest }
}

/** Images to use in place of others, by the repository that manifests and Dockerfiles name. */
export type ImageSubstitutes = Readonly<Record<string, string>>

/** `postgres=mirror/postgres:17,redis=mirror/redis:8`, as in the variable VITEST_KUBERNETES_IMAGES. */
export function parseSubstitutes(text: string | undefined): ImageSubstitutes {
  const pairs = (text ?? '')
    .split(',')
    .map((pair) => pair.trim())
    .filter(Boolean)
  return Object.fromEntries(
    pairs.map((pair) => {
      const [from, to, ...rest] = pair.split('=')
      if (from && to && rest.length === 0) return [from, to]
      throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected "repository=image" in VITEST_KUBERNETES_IMAGES, got "${pair}".`)
    }),
  )
}

export function substituteImage(substitutes: ImageSubstitutes, reference: string): string {
  return substitutes[parseImageName(reference).repository] ?? reference
}
