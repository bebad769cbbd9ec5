import { type KubeClient, hasStatus } from './client.ts'
import { type Kind, listPath } from './kinds.ts'
import type { KubeList } from './types.ts'

/** All objects of a kind that the client may see: where it has rights in one namespace only, those are none of many kinds. */
export async function listAll<T>(kube: KubeClient, kind: Kind, signal?: AbortSignal): Promise<readonly T[]> {
  return (await listIfSeen<T>(kube, kind, signal)) ?? []
}

/** The same; undefined for a kind of which it may see none. */
export async function listIfSeen<T>(kube: KubeClient, kind: Kind, signal?: AbortSignal): Promise<readonly T[] | undefined> {
  try {
    return (await kube.request<KubeList<T>>('GET', listPath(kind, kube.scope), { signal })).items
  } catch (error) {
    if (kube.scope !== undefined && hasStatus(error, 403)) return undefined
    throw error
  }
}
