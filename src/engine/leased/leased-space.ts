import type { KubeClient } from '../../kube/client.ts'
import { describeObject } from '../../kube/kinds.ts'
import type { OwnerReference } from '../../kube/lineage.ts'
import type { Manifest } from '../../stack/manifests/manifests.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { SuiteSpace } from '../suite-space.ts'

/** The one namespace that a suite has in a cluster of others. */
export function leasedSpace(kube: KubeClient, namespace: string, owner: OwnerReference): SuiteSpace {
  return {
    ...{ namespace, namespaces: [namespace], owner },
    isOwn: ({ metadata }) => metadata?.namespace === namespace,
    claim: (manifests, signal) => refuseOutside(kube, manifests, namespace, signal),
    record: () => {},
  }
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
    if (resource && !resource.namespaced)
      throw outside('is of the whole cluster, which others use too', 'Leave it out, or let whoever runs the cluster apply it once for all.')
  }
}
