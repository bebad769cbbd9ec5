import { KubeStatusError } from '../../kube/client.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { Manifest } from './manifests.ts'

/** An object that the API server does not take now. */
export interface Refused {
  readonly manifest: Manifest
  readonly error: ClusterTestError
  /** What may cure it: objects that something makes, such as a definition, or anything that starts, such as a webhook. */
  readonly needs: 'objects' | 'anything'
}

/** Whether something that is still starting may cure the refusal of an object; undefined when nothing will. */
export function refusedForNow(manifest: Manifest, error: unknown): Refused | undefined {
  if (!(error instanceof ClusterTestError) || error.code !== 'ERR_MANIFEST_REJECTED') return undefined
  const { cause } = error
  // The cluster does not know the kind.
  if (cause === undefined) return isBuiltIn(manifest.object.apiVersion) ? undefined : { manifest, error, needs: 'objects' }
  if (!(cause instanceof KubeStatusError)) return undefined
  if (webhookFailed.test(cause.serverMessage)) return { manifest, error, needs: 'anything' }
  return absent.test(cause.serverMessage) ? { manifest, error, needs: 'objects' } : undefined
}

const webhookFailed = /failed calling webhook|failed to call webhook|conversion webhook for .* failed/
const absent =
  /namespaces? "[^"]+" not found|serviceaccount "[^"]+" not found|no PriorityClass with name|RuntimeClass .*not found|no matches for kind/i

/** Groups that only the API server itself has. */
function isBuiltIn(apiVersion: string): boolean {
  const [group = ''] = apiVersion.includes('/') ? apiVersion.split('/') : []
  return !group.includes('.') || ownGroups.has(group.replace(/\.k8s\.io$/, ''))
}

const ownGroups = new Set([
  ...['admissionregistration', 'apiextensions', 'apiregistration', 'authentication', 'authorization', 'certificates', 'coordination'],
  ...['discovery', 'events', 'flowcontrol.apiserver', 'internal.apiserver', 'networking', 'node', 'rbac.authorization', 'resource'],
  ...['scheduling', 'storage', 'storagemigration'],
])
