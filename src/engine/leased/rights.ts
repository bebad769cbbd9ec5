import type { KubeClient } from '../../kube/client.ts'

/** Something that a user has to be allowed to do in a namespace. */
export interface Right {
  readonly verb: string
  readonly group: string
  /** With its subresource: `pods/exec`. */
  readonly resource: string
}

const right = (resource: string, ...verbs: readonly string[]): readonly Right[] => {
  const [name = '', group = ''] = resource.split(' ')
  return verbs.map((verb) => ({ verb, group, resource: name }))
}

/** What a suite needs in its namespace, besides what its own objects do. The built-in ClusterRole `edit` has all of it. */
export const neededRights: readonly Right[] = [
  ...right('namespaces', 'get'),
  ...right('leases coordination.k8s.io', 'get', 'create', 'patch', 'delete'),
  ...right('jobs batch', 'create', 'list', 'patch', 'delete'),
  ...right('configmaps', 'create'),
  ...right('pods', 'list', 'watch', 'delete'),
  ...right('pods/exec', 'create'),
  ...right('pods/log', 'get'),
  ...right('services', 'list', 'watch'),
  ...right('endpointslices discovery.k8s.io', 'list', 'watch'),
  ...right('events', 'list', 'watch'),
  ...right('secrets', 'list', 'watch', 'deletecollection'),
  ...right('deployments apps', 'list'),
]

/** Those that the user does not have, as the API server itself decides. */
export async function missingRights(
  kube: KubeClient,
  namespace: string,
  rights: readonly Right[],
  signal?: AbortSignal,
): Promise<readonly Right[]> {
  const asked = await Promise.all(rights.map(async (each) => ({ each, isAllowed: await isAllowed(kube, namespace, each, signal) })))
  return asked.filter(({ isAllowed: is }) => !is).map(({ each }) => each)
}

async function isAllowed(kube: KubeClient, namespace: string, { verb, group, resource }: Right, signal?: AbortSignal): Promise<boolean> {
  const [name, subresource] = resource.split('/')
  const resourceAttributes = { namespace, verb, group, resource: name, ...(subresource && { subresource }) }
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } }
  const { status } = await kube.request<Review>('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body, signal })
  return status.allowed
}

interface Review {
  readonly status: { readonly allowed: boolean }
}

/** `create pods/exec, list secrets` */
export function describeRights(rights: readonly Right[]): string {
  return rights.map(({ verb, group, resource }) => `${verb} ${resource}${group && `.${group}`}`).join(', ')
}
