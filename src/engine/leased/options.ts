import { allKeys, checkKeys, checkOption, invalid, isRecord, isText, isTextArray } from '../../stack/check-option.ts'

/** An existing cluster, in which suites get namespaces. */
export interface KubeconfigCluster {
  /** Path of the kubeconfig, relative to vitest's root; `~/…` is in your home folder. It is read, and never written. */
  readonly kubeconfig: string
  /** The context of it that tests may use. It has to be named: the current one is whatever you used last. */
  readonly context: string
  /**
   * Where suites go, each into a namespace of its own: `{ pool: 'it-{1..8}' }` or `{ create: 'it-' }`. `pool`: those that an administrator has prepared and labelled
   * `vitest-kubernetes.pool` (`npx vitest-kubernetes rbac` prints them); `{1..8}` stands for the numbers between. A suite waits until one
   * is free, whoever has it, and finds it empty. `create`: new ones, whose names begin so; you need the right to create and delete them.
   */
  readonly namespaces: { readonly pool: string | readonly string[] } | { readonly create: string }
  /**
   * Image of the pod by which this machine reaches Services: any that has `sh` and `gunzip`, and that the cluster can pull.
   * @default 'busybox:1.37'
   */
  readonly relayImage?: string
  /**
   * Registry that images which the option `images` builds are pushed to, with the credentials of `docker login`, and that nodes pull from:
   * `registry.example.com/team`. Needs Docker. @default none: what is to be built is refused
   */
  readonly registry?: string
}

const keys = allKeys<KubeconfigCluster>({ kubeconfig: true, context: true, namespaces: true, relayImage: true, registry: true })

/**
 * Refuses what cannot be meant.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID`
 */
export function checkKubeconfigCluster(cluster: unknown): void {
  if (cluster === undefined) return
  if (!isRecord(cluster)) throw invalid('cluster', '{ kubeconfig, context, namespaces }', cluster)
  checkKeys('cluster', cluster, keys)
  checkOption('cluster.kubeconfig', 'a path', cluster['kubeconfig'] ?? null, isText)
  checkOption('cluster.context', 'the name of a context', cluster['context'] ?? null, isText)
  checkOption('cluster.relayImage', 'the name of an image', cluster['relayImage'], isText)
  checkOption('cluster.registry', 'a registry, such as registry.example.com/team', cluster['registry'], isRegistry)
  const { namespaces } = cluster
  if (!isRecord(namespaces) || Object.keys(namespaces).length !== 1)
    throw invalid('cluster.namespaces', '{ pool } or { create }', namespaces)
  checkKeys('cluster.namespaces', namespaces, ['pool', 'create'])
  const { pool, create } = namespaces
  if (create !== undefined)
    checkOption('cluster.namespaces.create', 'the start of a name, of at most 40 of a-z, 0-9 and -', create, isNameStart)
  else {
    checkOption('cluster.namespaces.pool', "names, such as 'it-{1..8}'", pool, (value) => isText(value) || isTextArray(value))
    const names = poolNames(pool as string | readonly string[])
    checkOption('cluster.namespaces.pool', 'names of namespaces', names, () => names.length > 0 && names.every(isName))
  }
}

/** The names that a pool stands for: `it-{1..3}` is it-1, it-2 and it-3. */
export function poolNames(pool: string | readonly string[]): readonly string[] {
  const expand = (text: string): readonly string[] => {
    const [all, from = '', to = ''] = /\{(\d{1,4})\.\.(\d{1,4})\}/.exec(text) ?? []
    if (all === undefined) return [text]
    const count = Math.max(0, Number(to) - Number(from) + 1)
    return Array.from({ length: count }, (_, index) => text.replace(all, String(Number(from) + index)))
  }
  return [...new Set((typeof pool === 'string' ? [pool] : pool).flatMap(expand))]
}

/** Of the names of Kubernetes' objects (RFC 1123). */
const isName = (value: string) => /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(value)
/** Without a point or a port, the first part would be a user of Docker Hub. */
const isRegistry = (value: unknown) =>
  isText(value) && /^(?:localhost|[\w-]+(?:\.[\w-]+)+|[\w-]+(?=:))(?::\d{1,5})?(?:\/[a-z0-9._-]+)*$/.test(value)
const isNameStart = (value: unknown) => isText(value) && /^[a-z0-9][-a-z0-9]{0,39}$/.test(value)
