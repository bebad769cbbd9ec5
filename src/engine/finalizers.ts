import type { KubeClient } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import type { KubeList } from '../kube/types.ts'

/** Says what holds an object that was deleted: its own finalizers, or those of what a Namespace still has. */
export async function describeFinalizers(kube: KubeClient, object: KubeObject, signal: AbortSignal): Promise<string> {
  const held = await Promise.all(resourcesLeft(object).map((resource) => listHeld(kube, resource, object.metadata.name, signal)))
  return [object, ...held.flat()].flatMap(describeHeld).join('; ') || 'nothing says what holds it'
}

/** `configmap "x" has the finalizer "example.com/hold", which nobody serves`; nothing for an object without any. */
export function describeHeld({ kind, metadata }: KubeObject): readonly string[] {
  const finalizers = (metadata['finalizers'] ?? []) as readonly string[]
  const names = finalizers.map((name) => `"${name}"`).join(', ')
  return finalizers.length > 0 ? [`${kind} "${metadata.name}" has the finalizer ${names}, which nobody serves`] : []
}

/** What a Namespace says that it still has: `configmaps. has 1 resource instances, widgets.shop.example.com has 2 resource instances`. */
export function resourcesLeft({ status }: KubeObject): readonly string[] {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly { readonly type: string; readonly message?: string }[] }
  const message = conditions.find(({ type }) => type === 'NamespaceContentRemaining')?.message ?? ''
  return [...message.matchAll(/(\S+?)\.? has \d+ resource instances/g)].map(([, resource]) => resource!)
}

async function listHeld(kube: KubeClient, resource: string, namespace: string, signal: AbortSignal): Promise<readonly KubeObject[]> {
  const [plural = '', ...group] = resource.split('.')
  const root = group.length > 0 ? await rootOf(kube, group.join('.'), signal) : '/api/v1'
  const path = root && `${root}/namespaces/${namespace}/${plural}`
  const list = path ? await kube.find<KubeList<KubeObject> & { readonly kind: string }>(path, { signal }) : undefined
  return (list?.items ?? []).map((item) => ({ ...item, kind: list!.kind.replace(/List$/, '') }))
}

async function rootOf(kube: KubeClient, group: string, signal: AbortSignal): Promise<string | undefined> {
  const found = await kube.find<{ readonly preferredVersion: { readonly groupVersion: string } }>(`/apis/${group}`, { signal })
  return found && `/apis/${found.preferredVersion.groupVersion}`
}
