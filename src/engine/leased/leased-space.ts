import type { KubeClient } from '../../kube/client.ts'
import { describeObject } from '../../kube/kinds.ts'
import type { OwnerReference } from '../../kube/lineage.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Manifest } from '../../stack/manifests/manifests.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { SuiteSpace } from '../suite-space.ts'

/** The one namespace that a suite has in a cluster of others. */
export function leasedSpace(kube: KubeClient, namespace: string, owner: OwnerReference): SuiteSpace {
  return {
    ...{ namespace, namespaces: [namespace], owner },
    isOwn: ({ metadata }) => metadata?.namespace === namespace,
    async claim(manifests, signal) {
      await refuseOutside(kube, manifests, namespace, signal)
      await Promise.all(manifests.map((manifest) => refuseForeign(kube, manifest, { namespace, owner, signal })))
    },
    record: () => {},
  }
}

interface ForeignOptions {
  readonly namespace: string
  readonly owner: OwnerReference
  readonly signal: AbortSignal
}

/** What is there already is somebody else's, and would go with the suite. */
async function refuseForeign(kube: KubeClient, { object, origin }: Manifest, { namespace, owner, signal }: ForeignOptions): Promise<void> {
  const { apiVersion, kind, metadata } = object
  const resource = await kube.resource(apiVersion, kind, signal)
  const found = metadata.name && resource && (await kube.find<KubeObject>(resource.path(namespace, metadata.name), { signal }))
  if (!found) return
  const { ownerReferences = [] } = found.metadata as { readonly ownerReferences?: readonly OwnerReference[] }
  if (ownerReferences.some(({ name }) => name === owner.name)) return
  throw new ClusterTestError(
    'ERR_CLUSTER_SHARED_CONFLICT',
    `Manifest ${origin}: ${describeObject(object)} is in namespace "${namespace}" already, and is not the suite's own.`,
    { hint: 'Rename it, leave it out, or let whoever prepares the namespace remove it.' },
  )
}

/** @throws ClusterTestError `ERR_CLUSTER_SCOPE` for what is not of that namespace */
export async function refuseOutside(
  kube: KubeClient,
  manifests: readonly Manifest[],
  namespace: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { object, origin } of manifests) {
    const { metadata, apiVersion, kind } = object
    const outside = (why: string, hint: string) =>
      new ClusterTestError('ERR_CLUSTER_SCOPE', `Manifest ${origin}: ${describeObject(object)} ${why}.`, { hint })
    if (metadata.namespace !== undefined && metadata.namespace !== namespace)
      throw outside(
        `is of namespace "${metadata.namespace}", and a suite has one namespace of the cluster, whose name is told at the start`,
        'Leave metadata.namespace out; Services are called by their name alone.',
      )
    const resource = await kube.resource(apiVersion, kind, signal)
    if (!resource)
      throw new ClusterTestError(
        'ERR_MANIFEST_REJECTED',
        `Manifest ${origin}: ${kind} "${metadata.name}" has a kind that the cluster does not know: ${apiVersion} ${kind}.`,
        { hint: 'Check apiVersion and kind, or let whoever runs the cluster install its CustomResourceDefinition.' },
      )
    if (!resource.namespaced)
      throw outside('is of the whole cluster, which others use too', 'Leave it out, or let whoever runs the cluster apply it once for all.')
  }
}
