import type { OwnerReference } from '../../kube/lineage.ts'
import type { KubeObject } from '../../kube/object.ts'

/**
 * Lets an object go when another one does: Kubernetes deletes what belongs to what is gone. So do the volumes of a StatefulSet, which
 * would stay otherwise (`persistentVolumeClaimRetentionPolicy`, Kubernetes 1.27).
 */
export function belongTo(object: KubeObject, owner: OwnerReference | undefined): KubeObject {
  if (!owner) return object
  const { ownerReferences = [] } = object.metadata as { readonly ownerReferences?: readonly OwnerReference[] }
  const owned = { ...object, metadata: { ...object.metadata, ownerReferences: [...ownerReferences, owner] } }
  if (object.kind !== 'StatefulSet' || typeof object['spec'] !== 'object') return owned
  return { ...owned, spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' }, ...object['spec'] } }
}
