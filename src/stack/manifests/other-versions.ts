import type { KubeClient } from '../../kube/client.ts'
import { groupOf } from '../../kube/kinds.ts'

/** The apiVersions in which the cluster has a kind, those of its own group first. */
export async function findVersions(kube: KubeClient, apiVersion: string, kind: string, signal: AbortSignal): Promise<readonly string[]> {
  const { groups } = await kube.request<ApiGroupList>('GET', '/apis', { signal })
  const group = groupOf(apiVersion)
  const all = ['v1', ...groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => groupVersion))]
  const isThere = await Promise.all(all.map(async (each) => (await kube.resource(each, kind, signal)) !== undefined))
  const found = all.filter((_, index) => isThere[index])
  const own = found.filter((each) => group !== '' && each.startsWith(`${group}/`))
  return own.length > 0 ? own : found
}

interface ApiGroupList {
  readonly groups: readonly { readonly versions: readonly { readonly groupVersion: string }[] }[]
}
