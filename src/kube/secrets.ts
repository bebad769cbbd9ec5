import { isUtf8 } from 'node:buffer'

import type { KubeClient } from './client.ts'
import { listPath } from './kinds.ts'
import type { KubeList } from './types.ts'

export interface Secret {
  readonly metadata?: {
    readonly uid?: string | undefined
    readonly name?: string | undefined
    readonly namespace?: string | undefined
    readonly annotations?: Readonly<Record<string, string>> | undefined
  }
  readonly data?: Readonly<Record<string, string>> | undefined
  /** In manifests only. */
  readonly stringData?: Readonly<Record<string, unknown>> | undefined
}

/** Names the keys of a Secret that everybody may see, such as `host,port,user`. */
export const publicKeysAnnotation = 'vitest-kubernetes.public-keys'

/** Keys that say where a database is and what it is called: `host`, `PGPORT`, `POSTGRES_DB`, `db-name`. */
const placeKey = /(?:^|[_.-]|pg)(?:host(?:name)?|port|database|db(?:[_.-]?name)?)$/i
const userKey = /user(?:[_.-]?name)?$/i
/** A connection string under such a key is none. */
const plainName = /^[\w.-]+$/

/**
 * The values of a Secret that are to be redacted, as the containers get them. What is no text is in base64. Where a database is and
 * its name are not secret, and would take words out of every other line.
 */
export function secretValues({ metadata, data, stringData }: Secret): readonly string[] {
  const named = new Set(metadata?.annotations?.[publicKeysAnnotation]?.split(',').map((key) => key.trim()))
  const texts = Object.entries(data ?? {}).map(([key, value]) => [key, decode(value)] as const)
  const values = [...texts, ...Object.entries(stringData ?? {}).map(([key, value]) => [key, String(value)] as const)]
  const isPublic = ([key, value]: readonly [string, string]) => named.has(key) || (placeKey.test(key) && plainName.test(value))
  const places = new Set(values.filter(isPublic).map(([, value]) => value))
  // A user has often the name of the database; a password of that name stays one.
  const isHidden = (entry: readonly [string, string]) => !isPublic(entry) && !(userKey.test(entry[0]) && places.has(entry[1]))
  return values.filter(isHidden).map(([, value]) => value)
}

function decode(value: unknown): string {
  const bytes = Buffer.from(String(value), 'base64')
  return isUtf8(bytes) ? bytes.toString() : bytes.toString('base64')
}

/** Whether a value is known anyway: the name of an object, or the address of a Service. `db.shop.svc:5432` is one of `db` in namespace `shop`. */
export function isPublicName(names: ReadonlySet<string | undefined>, value: string): boolean {
  if (names.has(value)) return true
  const [, name, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.cluster\.local)?)?(?::\d+)?$/.exec(value) ?? []
  return names.has(name) && (namespace === 'default' || names.has(namespace)) && name !== undefined
}

/** The values of all Secrets but those of the cluster itself. */
export async function readSecretValues(kube: KubeClient, signal?: AbortSignal): Promise<readonly string[]> {
  const { items } = await kube.request<KubeList<Secret>>('GET', listPath('Secret', kube.scope), { signal })
  return items.filter(({ metadata }) => metadata?.namespace !== 'kube-system').flatMap(secretValues)
}
