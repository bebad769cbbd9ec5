import { groupOf, templatePath } from '../../kube/kinds.ts'
import { listOf } from '../../kube/list-of.ts'
import type { KubeObject } from '../../kube/object.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { Manifest } from './manifests.ts'
import { mapPodSpec } from './pod-spec.ts'

/**
 * An object may stand twice if it is the same.
 * @throws ClusterTestError `ERR_MANIFEST_INVALID` with both places
 */
export function checkDuplicates(manifests: readonly Manifest[], namespace: string): void {
  const seen = new Map<string, Manifest>()
  for (const manifest of manifests) {
    const { kind, metadata } = manifest.object
    if (typeof metadata.name !== 'string') continue
    const key = keyOf(manifest.object, namespace)
    const other = seen.get(key)
    if (other && canonical(other.object) !== canonical(manifest.object))
      throw new ClusterTestError(
        'ERR_MANIFEST_INVALID',
        `${kind} "${metadata.name}" stands twice with different content: in ${other.origin} and in ${manifest.origin}.`,
        {
          hint: 'Only one of them can be in the cluster: remove the other, or give it another name or namespace. What varies between environments is a case for "kustomize".',
        },
      )
    seen.set(key, manifest)
  }
}

function keyOf({ apiVersion, kind, metadata }: KubeObject, namespace: string): string {
  return [groupOf(apiVersion), kind, metadata.namespace ?? namespace, metadata.name].join(' ')
}

/** Those whose place the others take in the cluster. */
export function findReplaced(manifests: readonly Manifest[], others: readonly Manifest[], namespace: string): readonly Manifest[] {
  const named = others.filter(({ object }) => typeof object.metadata.name === 'string')
  const keys = new Set(named.map(({ object }) => keyOf(object, namespace)))
  return manifests.filter(({ object }) => keys.has(keyOf(object, namespace)))
}

function canonical(object: KubeObject): string {
  return JSON.stringify(object, (_, value: unknown) =>
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

/**
 * Entries of lists that stand twice under the name by which server-side apply tells them apart, which refuses them. Every other way
 * of writing takes them, as kubectl does, with a warning: of two variables the later one counts.
 */
export function findDoubleEntries(object: KubeObject): readonly string[] {
  if (!templatePath(object)) return []
  const found: string[] = []
  mapPodSpec(object, (spec) => {
    for (const container of [...listOf(spec['initContainers']), ...listOf(spec['containers'])]) {
      const inContainer = (what: string) => `${what} of container "${String(container['name'])}"`
      found.push(...twice(listOf(container['env']), ({ name }) => inContainer(`variable "${String(name)}"`)))
      const port = ({ containerPort, protocol = 'TCP' }: Entry) => inContainer(`port ${String(containerPort)}/${String(protocol)}`)
      found.push(...twice(listOf(container['ports']), port))
    }
    found.push(...twice(listOf(spec['imagePullSecrets']), ({ name }) => `imagePullSecret "${String(name)}"`))
    found.push(...twice(listOf(spec['hostAliases']), ({ ip }) => `host alias "${String(ip)}"`))
    return spec
  })
  return found
}

type Entry = Readonly<Record<string, unknown>>

function twice(entries: readonly Entry[], describe: (entry: Entry) => string): readonly string[] {
  const names = entries.map(describe)
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
}
