import type { EndpointSlice, KubeEvent, KubeObject, Pod } from '../../kube/types.ts'

/** What is known of the cluster at one moment. */
export interface ClusterState {
  readonly objects: readonly KubeObject[]
  readonly pods: readonly Pod[]
  readonly events: readonly KubeEvent[]
  readonly endpointSlices: readonly EndpointSlice[]
  /** Milliseconds since a container, by its id, was first seen running. */
  readonly runningFor: (containerId: string) => number
}

/** How far one applied object is. */
export interface Readiness {
  /** `deployment/orders` */
  readonly target: string
  readonly namespace: string
  readonly state: 'ready' | 'pending' | 'failed'
  /** For people: `1 of 2 pods ready`, `pod "orders-x": image "y" cannot be pulled: …`. Empty when ready. */
  readonly reason: string
  readonly hint?: string | undefined
  /** The pod and container whose log tells more. */
  readonly pod?: { readonly name: string; readonly container: string; readonly previous: boolean }
  /** Milliseconds that the failure must last, since what it sees may be a passing state. @default 0 */
  readonly grace?: number
}
