import type { KubeObject } from '../kube/object.ts'
import type { Pod } from '../kube/types.ts'
import type { Work } from '../stack/ready/may-help.ts'
import { judgeReadiness } from '../stack/ready/readiness.ts'
import type { ClusterState, Facts } from '../stack/ready/verdict.ts'

export const metadata = (name: string, more: object = {}) => ({ name, namespace: 'default', generation: 1, labels: { app: name }, ...more })

export const deployment = (name: string, status: object, spec: object = {}): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: metadata(name),
  spec: { replicas: 1, selector: { matchLabels: { app: name } }, ...spec },
  status: { observedGeneration: 1, ...status },
})

export const ready = { replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1 }

export interface PodFacts {
  readonly probed?: boolean
  readonly phase?: string
  readonly created?: string
  /** Name of the ReplicaSet or Job. */
  readonly owner?: string
  readonly conditions?: readonly object[]
}

export function pod(name: string, container: object, { probed = true, created, owner = `${name}-7d9`, ...status }: PodFacts = {}): Pod {
  const object: unknown = {
    metadata: metadata(name, {
      labels: { app: name, 'pod-template-hash': owner.split('-').at(-1) },
      ownerReferences: [
        owner.startsWith('job')
          ? { apiVersion: 'batch/v1', kind: 'Job', name: owner, uid: owner, controller: true }
          : { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true },
      ],
      ...(created && { creationTimestamp: created }),
    }),
    spec: { containers: [{ name: 'app', image: 'x', ...(probed ? { readinessProbe: {} } : {}) }] },
    status: {
      phase: 'Running',
      containerStatuses: [
        { name: 'app', image: 'x', imageID: '', ready: false, restartCount: 0, containerID: `containerd://${name}`, ...container },
      ],
      ...status,
    },
  }
  return object as Pod
}

export const running = { state: { running: {} }, ready: true }
export const crashed = (restartCount: number) => ({
  restartCount,
  state: { waiting: { reason: 'CrashLoopBackOff' } },
  lastState: { terminated: { exitCode: 1 } },
})

export const noFacts: Facts = { claims: [], storageClasses: [], bindings: [], isPresent: () => false }

export const state = (objects: KubeObject[], pods: Pod[], more: Partial<ClusterState> = {}): ClusterState => ({
  objects,
  pods,
  deleted: [],
  events: [],
  endpointSlices: [],
  facts: noFacts,
  now: Date.parse('2026-01-01T00:10:00Z'),
  runningFor: () => 10_000,
  ...more,
})

export const judge = (objects: KubeObject[], pods: Pod[], more: Partial<ClusterState> = {}, work: readonly Work[] = []) =>
  judgeReadiness(objects, state(objects, pods, more), { work })
