import type {
  V1DaemonSet,
  V1Deployment,
  V1Ingress,
  V1IngressBackend,
  V1IngressClass,
  V1Job,
  V1PersistentVolumeClaim,
  V1Pod,
  V1ReplicaSet,
  V1Service,
  V1StatefulSet,
} from '@kubernetes/client-node'

export type Deployment = V1Deployment
export type StatefulSet = V1StatefulSet
export type DaemonSet = V1DaemonSet
export type ReplicaSet = V1ReplicaSet
export type Ingress = V1Ingress
export type IngressBackend = V1IngressBackend
export type IngressClass = V1IngressClass
export type Job = V1Job
export type Pod = V1Pod
export type Service = V1Service
export type PersistentVolumeClaim = V1PersistentVolumeClaim

export interface KubeEvent {
  readonly metadata: {
    readonly uid?: string
    readonly creationTimestamp?: string
    readonly namespace?: string
    readonly resourceVersion?: string
  }
  readonly type?: string
  readonly reason?: string
  readonly message?: string
  readonly count?: number
  readonly lastTimestamp?: string | null
  readonly eventTime?: string | null
  readonly series?: { readonly lastObservedTime?: string } | null
  readonly involvedObject: {
    readonly kind?: string
    readonly name?: string
    readonly namespace?: string
    readonly uid?: string
    /** `spec.containers{app}` */
    readonly fieldPath?: string
  }
}

export interface EndpointSlice {
  readonly addressType?: string
  readonly metadata: { readonly name?: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> }
  readonly endpoints?: readonly {
    readonly addresses: readonly string[]
    readonly conditions?: { readonly ready?: boolean }
    readonly targetRef?: { readonly kind?: string }
  }[]
  readonly ports?: readonly { readonly port?: number; readonly name?: string }[]
}

/** What the API server sends: dates are strings there, unlike in client-node's types. */
export interface KubeList<T> {
  readonly metadata: { readonly resourceVersion?: string }
  readonly items: readonly T[]
}
