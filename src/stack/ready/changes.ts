import { describeObject } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { KubeEvent, Pod } from '../../kube/types.ts'

/** Something that happened in a cluster. */
export interface Change {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly what: string
}

interface State {
  readonly pods: readonly Pod[]
  readonly events: readonly KubeEvent[]
  readonly workloads: readonly KubeObject[]
}

/**
 * What happened, in order, from what the objects themselves say: who wrote to a workload when, when containers started and
 * ended, when pods became ready and ceased to be, and all events.
 */
export function listChanges({ pods, events, workloads }: State): readonly Change[] {
  return [...workloads.flatMap(writes), ...pods.flatMap(podChanges), ...events.filter((event) => !isStartOfNode(event)).map(eventChange)]
    .filter(({ at }) => !Number.isNaN(at))
    .toSorted((a, b) => a.at - b.at)
}

interface ManagedField {
  readonly manager?: string
  readonly operation?: string
  readonly time?: string
  readonly subresource?: string
}

/** Of people and tools: the controllers of Kubernetes write the status. */
function writes(object: KubeObject): readonly Change[] {
  const { metadata } = object
  const fields = (metadata['managedFields'] ?? []) as readonly ManagedField[]
  const created = time(metadata['creationTimestamp'])
  return fields
    .filter(({ subresource, manager }) => subresource !== 'status' && manager !== 'kube-controller-manager')
    .map(({ manager, time: at }) => {
      const verb = time(at) - created < 1_000 ? 'created' : 'changed'
      return { at: time(at), what: `${describeObject(object)}  ${verb} by ${manager}` }
    })
}

function podChanges({ metadata, status }: Pod): readonly Change[] {
  const pod = `pod/${metadata?.name}`
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].flatMap(
    ({ name, state, lastState }) => [
      { at: time(state?.running?.startedAt), what: `${pod}  container "${name}" started` },
      ...[lastState?.terminated, state?.terminated].map((ended) => ({
        at: time(ended?.finishedAt),
        what: `${pod}  container "${name}" ended with exit code ${ended?.exitCode} (${ended?.reason})`,
      })),
    ],
  )
  return [
    ...containers,
    {
      at: time(ready?.lastTransitionTime),
      what: `${pod}  is ${ready?.status === 'True' ? 'ready' : `not ready (${ready?.reason ?? 'unknown'})`}`,
    },
    { at: time(metadata?.deletionTimestamp), what: `${pod}  was deleted and should be gone by now` },
  ]
}

const startOfNode =
  /^(?:Starting|CgroupV1|RegisteredNode|Node(?:HasSufficient\w+|HasNoDiskPressure|AllocatableEnforced|PasswordValidationComplete))$/

/** What every node says when it comes up, and never says anything about a failure. */
export function isStartOfNode({ involvedObject, reason = '' }: KubeEvent): boolean {
  return involvedObject.kind === 'Node' && startOfNode.test(reason)
}

function eventChange({ metadata, lastTimestamp, eventTime, involvedObject, type, reason, message, count = 1 }: KubeEvent): Change {
  return {
    at: time(lastTimestamp ?? eventTime ?? metadata.creationTimestamp),
    what: `${type === 'Warning' ? 'Warning: ' : ''}${involvedObject.kind?.toLowerCase()}/${involvedObject.name}  ${reason}: ${message?.trim() ?? ''}${count > 1 ? ` (${count} times)` : ''}`,
  }
}

/** The API server sends dates as text, whatever client-node's types say. NaN where there is none. */
function time(value: unknown): number {
  return typeof value === 'string' ? Date.parse(value) : Number.NaN
}
