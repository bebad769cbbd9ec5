import type { KubeClient } from '../../kube/client.ts'
import { type Kind, typed, workloadKinds } from '../../kube/kinds.ts'
import { listAll } from '../../kube/list-all.ts'
import { readPodLog } from '../../kube/logs.ts'
import { type Namespaced, isInNamespaces } from '../../kube/namespaces.ts'
import type { KubeObject } from '../../kube/object.ts'
import { podState, restartsOf } from '../../kube/pod-state.ts'
import { isPublicName, readSecretValues } from '../../kube/secrets.ts'
import type { KubeEvent, Pod } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { messageOf } from '../../support/errors.ts'
import { counted } from '../../support/format.ts'
import { type Redact, createRedact } from '../../support/redact.ts'
import { type Change, listChanges } from './changes.ts'

export interface DescribeOptions {
  /** Lines of each log. @default 10 */
  readonly lines?: number
  /** Which namespaces. @default all but kube-system */
  readonly namespaces?: readonly string[] | undefined
  /** @default 10 s */
  readonly signal?: AbortSignal
}

/** Changes that are shown: the last ones. */
const shownChanges = 25

/**
 * A report for people: nodes in trouble, the pods with their restarts and images, those in trouble first, the last lines of their
 * logs, and what changed last. Of a pod that is well, no log: the bundle of the suite has it. Values of Secrets are redacted. Never
 * throws: what cannot be read is said.
 */
export async function describeCluster(
  kube: KubeClient,
  { lines = 10, namespaces, signal = AbortSignal.timeout(10_000) }: DescribeOptions = {},
): Promise<string> {
  const list = <T>(kind: Kind) => listAll<T>(kube, kind, signal)
  try {
    const [secrets, pods, events, nodes, ...workloads] = await Promise.all([
      readSecretValues(kube, signal),
      list<Pod>('Pod'),
      list<KubeEvent>('Event'),
      list<Node>('Node'),
      ...workloadKinds.map(async (kind) => (await list<KubeObject>(kind)).map((each) => typed(kind, each))),
    ])
    const isOwn = (object: Namespaced) => isInNamespaces(object, namespaces)
    const own = pods.filter(isOwn)
    const troubled = own.filter((pod) => !isWell(pod))
    const logs = await Promise.all(troubled.map((pod) => describeLogs(kube, pod, lines, signal)))
    const changes = listChanges({ pods: own, events: events.filter(isOwn), workloads: workloads.flat().filter(isOwn) })
    const report = [
      section('Nodes', nodes.flatMap(describeNode)),
      section('Pods', [...troubled, ...own.filter(isWell)].flatMap(describePod)),
      ...logs.flat(),
      section('What changed last', changes.slice(-shownChanges).map(describeChange)),
    ]
    const names = new Set([...own, ...workloads.flat()].flatMap(({ metadata }) => [metadata?.name, metadata?.namespace]))
    return createRedact(secrets, (value) => isPublicName(names, value))(report.filter(Boolean).join('\n'))
  } catch (error) {
    return `The cluster cannot be described: ${messageOf(error)}`
  }
}

/** Takes the values of the cluster's Secrets out. Where they cannot be read, nobody knows what to take out, and nothing is shown. */
export async function redactFor(kube: KubeClient): Promise<Redact> {
  try {
    return createRedact(await readSecretValues(kube, AbortSignal.timeout(5_000)))
  } catch (error) {
    return () => `(not shown, since it may hold a Secret and these cannot be read: ${messageOf(error)})`
  }
}

interface Node {
  readonly metadata: { readonly name: string }
  readonly spec?: { readonly unschedulable?: boolean }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }[]
  }
}

function section(title: string, lines: readonly string[]): string {
  return lines.length > 0 ? `${title}:\n${lines.map((line) => `  ${line}`).join('\n')}` : ''
}

/** Nothing of a node that is well: ready, and without pressure of any kind. */
function describeNode({ metadata, spec, status }: Node): string[] {
  const bad = (status?.conditions ?? []).filter(({ type, status: is }) => (type === 'Ready' ? is !== 'True' : is !== 'False'))
  const lines = bad.map(({ type, status: is, reason, message }) => `${metadata.name}  ${type} is ${is}, ${reason}: ${message}`)
  return spec?.unschedulable ? [...lines, `${metadata.name}  takes no new pods (cordoned)`] : lines
}

/** Ready or done, and at the first attempt. */
function isWell(pod: Pod): boolean {
  return (pod.status?.phase === 'Succeeded' || isPodReady(pod)) && restartsOf(pod) === 0
}

function describePod(pod: Pod): string[] {
  const statuses = pod.status?.containerStatuses ?? []
  const restarts = restartsOf(pod)
  const ready = `${statuses.filter(({ ready }) => ready).length}/${pod.spec?.containers.length ?? 0}`
  const state = podState(pod).replace('Ready', 'Running')
  const exit = statuses.find(({ state }) => state?.terminated)?.state?.terminated
  const line = `${pod.metadata?.namespace}/${pod.metadata?.name}  ${ready} ready  ${state}${exit ? ` (exit code ${exit.exitCode})` : ''}${restarts > 0 ? `  ${counted(restarts, 'restart')}` : ''}`
  return [line, ...[...(pod.status?.initContainerStatuses ?? []), ...statuses].flatMap(describeContainer)]
}

type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number]

/** Which image really runs, and how the last run ended. */
function describeContainer({ name, image, imageID, lastState, restartCount }: ContainerStatus): string[] {
  const id = imageID ? `  ${imageID.replace(/^.*@/, '').slice(0, 19)}` : ''
  const last = lastState?.terminated
  const ended = last
    ? `  ended with exit code ${last.exitCode} (${last.reason})${restartCount > 1 ? ` the last of ${restartCount} times` : ''}`
    : ''
  return [`  ${name}  ${image}${id}${ended}`]
}

function describeChange({ at, what }: Change): string {
  return `${new Date(at).toISOString().slice(11, 19)}  ${what}`
}

async function describeLogs(kube: KubeClient, pod: Pod, lines: number, signal: AbortSignal): Promise<string[]> {
  const { name = '', namespace = '' } = pod.metadata ?? {}
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {}
  // One that has done its work has nothing to say.
  const failedInit = initContainerStatuses.filter(({ state }) => state?.running || (state?.terminated && state.terminated.exitCode !== 0))
  const wanted = [...failedInit, ...containerStatuses].flatMap(({ name: container, state, restartCount }) => [
    ...(restartCount > 0 ? [{ container, previous: true }] : []),
    // Of a container that waits for its restart, both are the log of the same run.
    ...(state?.running || (state?.terminated && restartCount === 0) ? [{ container, previous: false }] : []),
  ])
  return Promise.all(
    wanted.map(async ({ container, previous }) => {
      const title = `Log of ${namespace}/${name}, container "${container}"${previous ? ' before its restart' : ''}`
      try {
        const log = await readPodLog(kube, namespace, name, { container, previous, tail: lines, signal })
        return section(title, log.trimEnd().split('\n').filter(Boolean))
      } catch (error) {
        return section(title, [`cannot be read: ${messageOf(error)}`])
      }
    }),
  )
}
