import { type ImageSubstitutes, parseSubstitutes } from '../stack/images/image-names.ts'
import { ClusterTestError } from '../support/errors.ts'
import { parseSize } from '../support/parse-size.ts'

/** What a machine says of itself by variables, for all runs on it. */
export interface Settings {
  /** The k3d program. */
  readonly k3d: string
  /** Image of every node. @default k3d's own */
  readonly nodeImage: string | undefined
  readonly substitutes: ImageSubstitutes
  /** Docker network for the RUN steps of builds. @default Docker's own */
  readonly buildNetwork: string | undefined
  /** Bytes that all templates together may take; undefined for none. @default undefined */
  readonly templateLimit: number | undefined
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
    templateLimit: parseTemplates('VITEST_KUBERNETES_TEMPLATES', env['VITEST_KUBERNETES_TEMPLATES'] || 'false'),
  }
}

/**
 * The bytes that templates may take, from `true` (20 GB), a size such as `5 GB`, or `false` (undefined).
 * @throws ClusterTestError `ERR_OPTIONS_INVALID`
 */
export function parseTemplates(name: string, value: boolean | string): number | undefined {
  if (String(value) === 'false') return undefined
  const limit = parseSize(String(value) === 'true' ? '20 GB' : value)
  if (limit === undefined)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected ${name} to be true, false, or a size such as "5 GB", got "${value}".`)
  return limit
}
