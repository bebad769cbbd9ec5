import { type PrepareImagesOptions, planImages, prepareImages } from '../stack/images/images.ts'
import type { ImageBuild } from '../stack/options.ts'
import type { EngineParts } from './parts.ts'

/** Makes a function that builds or finds the image of a local container, and resolves to the name that Docker has it under. */
export function localImages(parts: EngineParts, folder: string, options: Pick<PrepareImagesOptions, 'keepLog' | 'progress'>) {
  return async (image: string | ImageBuild, signal: AbortSignal): Promise<string> => {
    const plan = await planImages(typeof image === 'string' ? [image] : { 'local-container': image }, folder)
    const prepared = await prepareImages({ ...parts, plan, manifests: [], ...options, signal })
    return prepared.images[0]!.reference
  }
}
