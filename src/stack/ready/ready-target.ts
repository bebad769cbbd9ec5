import { ClusterTestError } from '../../support/errors.ts'

/** An object as a key of `ready` names it. */
export interface ReadyTarget {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
}

const known: Readonly<Record<string, readonly [apiVersion: string, kind: string]>> = {
  service: ['v1', 'Service'],
  svc: ['v1', 'Service'],
  deployment: ['apps/v1', 'Deployment'],
  deploy: ['apps/v1', 'Deployment'],
  statefulset: ['apps/v1', 'StatefulSet'],
  sts: ['apps/v1', 'StatefulSet'],
  daemonset: ['apps/v1', 'DaemonSet'],
  ds: ['apps/v1', 'DaemonSet'],
  job: ['batch/v1', 'Job'],
  pod: ['v1', 'Pod'],
  configmap: ['v1', 'ConfigMap'],
  cm: ['v1', 'ConfigMap'],
  pvc: ['v1', 'PersistentVolumeClaim'],
  persistentvolumeclaim: ['v1', 'PersistentVolumeClaim'],
  crd: ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
  customresourcedefinition: ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` for a key that names no object */
export function readyTarget(key: string): ReadyTarget {
  const parts = key.split('/')
  const name = parts.at(-1)!
  // A service of the stack, or any other Service.
  if (parts.length === 1 && name) return { apiVersion: 'v1', kind: 'Service', name }
  const kind = parts.at(-2)!
  const short = known[kind.toLowerCase()]
  if (parts.length === 2 && short && name) return { apiVersion: short[0], kind: short[1], name }
  if ((parts.length === 3 || parts.length === 4) && parts.every((part) => part !== ''))
    return { apiVersion: parts.slice(0, -2).join('/'), kind, name }
  throw new ClusterTestError('ERR_OPTIONS_INVALID', `Key "${key}" of option \`ready\` names no object.`, {
    hint: 'Write the name of a service of the stack, "kind/name" for what Kubernetes has itself, or "apiVersion/Kind/name", for example "cert-manager.io/v1/Certificate/shop".',
  })
}
