import type { KubeObject } from '../../kube/object.ts'
import type { EndpointSlice, KubeEvent, PersistentVolumeClaim, Pod } from '../../kube/types.ts'
import type { ClusterTestError } from '../../support/errors.ts'
import type { Needs, Rule } from './reasons.ts'

/** What is known of the cluster at one moment. */
export interface ClusterState {
  readonly objects: readonly KubeObject[]
  readonly pods: readonly Pod[]
  /** The last state of workloads and pods that were deleted meanwhile. */
  readonly deleted: readonly KubeObject[]
  readonly events: readonly KubeEvent[]
  readonly endpointSlices: readonly EndpointSlice[]
  /** Milliseconds since 1970. */
  readonly now: number
  /** Milliseconds since a container, by its id, was first seen running. */
  readonly runningFor: (containerId: string) => number
  /** Read once something fails: until then nothing is final that others could help. */
  readonly facts?: Facts | undefined
}

/** What is read only once something fails. */
export interface Facts {
  readonly claims: readonly PersistentVolumeClaim[]
  /** undefined where they cannot be seen. */
  readonly storageClasses: readonly KubeObject[] | undefined
  /** RoleBindings and ClusterRoleBindings: who may make objects. */
  readonly bindings: readonly KubeObject[]
  /** Whether an object that a failure has missed is there by now. */
  readonly isPresent: (missing: Missing) => boolean
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
  readonly pod?: { readonly name: string; readonly container: string }
  /** Milliseconds that the failure must last, since what it sees may be a passing state. @default 0 */
  readonly grace?: number
  /** What keeps failing, where the words change from moment to moment. @default the reason */
  readonly cause?: string
  /** What cannot be pulled. */
  readonly images?: readonly AbsentImage[]
}

export interface AbsentImage {
  readonly image: string
  /** In the words of kubelet or the registry. */
  readonly why: string
}

/** What one judge says of an object or a pod, before it is known what the others say. */
export interface Verdict extends Pick<Readiness, 'state' | 'reason' | 'hint' | 'pod' | 'grace' | 'cause' | 'images'> {
  /** How often it has crashed: a crash may be the wait for a neighbour. */
  readonly crashes?: number
  /** What could still help. Without it a failure is final. */
  readonly needs?: Needs
  /** What is thrown where the failure has an error of its own. */
  readonly error?: ClusterTestError
  /** Whether it is not even there yet. */
  readonly isComing?: boolean
  /** What a failure says that it lacks. */
  readonly missing?: Missing | undefined
}

/** An object, or a key of one, that a message says is not there. */
export interface Missing {
  readonly kind: 'Secret' | 'ConfigMap' | 'ServiceAccount' | 'PersistentVolumeClaim'
  readonly namespace: string
  readonly name: string
  readonly key?: string
}

/** An applied object and all that its judge says. */
export type Judged = Readiness & Verdict

export const ready: Verdict = { state: 'ready', reason: '' }

export function pending(reason: string): Verdict {
  return { state: 'pending', reason }
}

/** A failure by the rule of its reason; none for what passes by itself. */
export function failedBy(rule: Rule, verdict: Omit<Verdict, 'state'>): readonly Verdict[] {
  if (rule.verdict === 'wait') return []
  return [{ ...verdict, state: 'failed', grace: rule.after, ...(rule.verdict === 'unless' && { needs: rule.needs }) }]
}
