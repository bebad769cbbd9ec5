import type { Kit } from './kit.ts'

/** Images of real services for machines that can pull none: the repository in manifests and Dockerfiles -> the kit's image. */
export async function ensureServiceImages(_kit: Kit): Promise<Record<string, string>> {
  return {}
}
