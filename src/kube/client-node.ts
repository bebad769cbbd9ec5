import { createRequire } from 'node:module'

/**
 * What we need of @kubernetes/client-node, in one file that is made of it (scripts/bundle-client-node.ts): the package takes 62 MB and
 * loads 868 modules. Required, so that vitest does not take it apart.
 */
export const { Exec, HttpMethod, IsomorphicFetchHttpLibrary, KubeConfig, RequestContext, Watch } = createRequire(import.meta.url)(
  '../../vendor/client-node.cjs',
) as typeof import('@kubernetes/client-node')

export type KubeConfig = InstanceType<typeof KubeConfig>
