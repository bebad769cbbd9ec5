import { type ImageSubstitutes, parseSubstitutes } from '../stack/images/image-names.ts'

/** What a machine says of itself by variables, for all runs on it. */
export interface Settings {
  /** The k3d program. */
  readonly k3d: string
  /** Image of every node. @default k3d's own */
  readonly nodeImage: string | undefined
  readonly substitutes: ImageSubstitutes
  /** Docker network for the RUN steps of builds. @default Docker's own */
  readonly buildNetwork: string | undefined
}

/**
 * Reads the variables `VITEST_KUBERNETES_…`. An empty one says nothing.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID`
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  return {
    k3d: env['VITEST_KUBERNETES_K3D'] || 'k3d',
    nodeImage: env['VITEST_KUBERNETES_NODE_IMAGE'] || undefined,
    substitutes: parseSubstitutes(env['VITEST_KUBERNETES_IMAGES']),
    buildNetwork: env['VITEST_KUBERNETES_BUILD_NETWORK'] || undefined,
  }
}
