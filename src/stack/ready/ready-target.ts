import { apiVersionOf, findKind } from '../../kube/kinds.ts'
import { ClusterTestError } from '../../support/errors.ts'

/** An object as a key of `ready` names it. */
export interface ReadyTarget {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for a key that names no object */
export function readyTarget(key: string): ReadyTarget {
  const parts = key.split('/')
  const name = parts.at(-1)!
  // A service of the stack, or any other Service.
  if (parts.length === 1 && name) return { apiVersion: 'v1', kind: 'Service', name }
  const kind = parts.at(-2)!
  const known = findKind(kind)
  if (parts.length === 2 && known && name) return { apiVersion: apiVersionOf(known), kind: known, name }
  if ((parts.length === 3 || parts.length === 4) && parts.every((part) => part !== ''))
    return { apiVersion: parts.slice(0, -2).join('/'), kind, name }
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `Key "${key}" of option \`ready\` does not name an object.`, {
    hint: 'Write the name of a service of the stack, "kind/name" for what Kubernetes has itself, or "apiVersion/Kind/name", for example "cert-manager.io/v1/Certificate/shop".',
  })
}
