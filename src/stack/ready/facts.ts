import type { KubeClient } from '../../kube/client.ts'
import { type Kind, apiPath, typed } from '../../kube/kinds.ts'
import { listIfSeen } from '../../kube/list-all.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { PersistentVolumeClaim } from '../../kube/types.ts'
import type { Facts, Missing } from './verdict.ts'

/** Reads what a failure is judged by, and whether what it misses is there by now. */
export async function readFacts(kube: KubeClient, missing: readonly Missing[], signal: AbortSignal): Promise<Facts> {
  const see = async (kind: Kind) => (await listIfSeen<KubeObject>(kube, kind, signal))?.map((item) => typed(kind, item))
  const list = async (kind: Kind) => (await see(kind)) ?? []
  const [claims, storageClasses, roleBindings, clusterRoleBindings, present] = await Promise.all([
    list('PersistentVolumeClaim') as Promise<readonly unknown[]>,
    see('StorageClass'),
    list('RoleBinding'),
    list('ClusterRoleBinding'),
    Promise.all(missing.map(async (each) => ((await isThere(kube, each, signal)) ? [describe(each)] : []))),
  ])
  const there = new Set(present.flat())
  return {
    claims: claims as readonly PersistentVolumeClaim[],
    storageClasses,
    bindings: [...roleBindings, ...clusterRoleBindings],
    isPresent: (each) => there.has(describe(each)),
  }
}

async function isThere(kube: KubeClient, { kind, namespace, name, key }: Missing, signal: AbortSignal): Promise<boolean> {
  const object = await kube.find<KubeObject>(apiPath(kind, namespace, name), { signal })
  if (!object) return false
  return key === undefined || [object['data'], object['binaryData']].some((data) => data && Object.hasOwn(data, key))
}

function describe({ kind, namespace, name, key = '' }: Missing): string {
  return `${kind} ${namespace}/${name} ${key}`
}
