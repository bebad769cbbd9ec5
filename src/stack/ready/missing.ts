import type { Pod } from '../../kube/types.ts'
import type { Missing } from './verdict.ts'

/** The object, or the key of one, that a message of kubelet, the scheduler or a controller says is not there. */
export function missingOf(message: string, namespace: string, pod?: Pod): Missing | undefined {
  for (const [pattern, kind] of absentObjects) {
    const name = pattern.exec(message)?.[1]
    if (name) return { kind, namespace, name }
  }
  const [, key, kind, name] = /couldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+\/([\w.-]+)/.exec(message) ?? []
  if (key) return { kind: kind as Missing['kind'], namespace, name: name!, key }
  return missingKeyOfVolume(message, namespace, pod)
}

const absentObjects = [
  [/secrets? "([^"]+)" not found/, 'Secret'],
  [/configmaps? "([^"]+)" not found/, 'ConfigMap'],
  [/serviceaccount "([^"]+)" not found/, 'ServiceAccount'],
  [/persistentvolumeclaim "([^"]+)" not found/, 'PersistentVolumeClaim'],
] as const

/** Of a key that a volume asks for, kubelet names the volume and not the object. */
function missingKeyOfVolume(message: string, namespace: string, pod: Pod | undefined): Missing | undefined {
  const [, key] = /references non-existent (?:config|secret) key: (\S+)/.exec(message) ?? []
  const [, volumeName] = /for volume "([^"]+)"/.exec(message) ?? []
  const volume = pod?.spec?.volumes?.find(({ name }) => name === volumeName)
  if (!key || !volume) return undefined
  const sources = [
    ...[volume, ...(volume.projected?.sources ?? [])].flatMap(({ configMap, secret }) => [
      { kind: 'ConfigMap' as const, name: configMap?.name, items: configMap?.items },
      // A volume says `secretName`, a part of a projected one `name`.
      { kind: 'Secret' as const, name: nameOfSecret(secret), items: secret?.items },
    ]),
  ]
  const source = sources.find(({ name, items }) => name !== undefined && items?.some((item) => item.key === key))
  return source && { kind: source.kind, namespace, name: source.name!, key }
}

function nameOfSecret(secret: { readonly secretName?: string; readonly name?: string } | undefined): string | undefined {
  return secret?.secretName ?? secret?.name
}
