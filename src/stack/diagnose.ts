import type { KubeClient } from '../kube/client.ts'
import { readPodLog } from '../kube/logs.ts'
import type { KubeEvent, KubeList, Pod } from '../kube/types.ts'
import { isPodReady } from '../kube/workload.ts'
import { messageOf } from '../support/errors.ts'

export interface DescribeOptions {
  /** Lines of each log. @default 10 */
  readonly lines?: number
  /** Which containers' logs. @default 'unhealthy' */
  readonly logs?: 'unhealthy' | 'all'
  /** Which namespaces. @default all but kube-system */
  readonly namespaces?: readonly string[] | undefined
}

/** A report for people: the pods and their states, warnings in order, and the last lines of the logs. Never throws: what cannot be read is said. */
export async function describeCluster(
  kube: KubeClient,
  { lines = 10, logs = 'unhealthy', namespaces }: DescribeOptions = {},
): Promise<string> {
  const signal = AbortSignal.timeout(10_000)
  try {
    const [{ items: pods }, { items: events }] = await Promise.all([
      kube.request<KubeList<Pod>>('GET', '/api/v1/pods', { signal }),
      kube.request<KubeList<KubeEvent>>('GET', '/api/v1/events', { signal }),
    ])
    const isOwn = (namespace = '') => (namespaces ? namespaces.includes(namespace) : namespace !== 'kube-system')
    const own = pods.filter(({ metadata }) => isOwn(metadata?.namespace))
    const shown = own.filter((pod) => logs === 'all' || !isHealthy(pod))
    const texts = await Promise.all(shown.map((pod) => describeLogs(kube, pod, lines, signal)))
    return [
      section('Pods', own.map(describePod)),
      section('Warnings', describeEvents(events.filter(({ metadata }) => isOwn(metadata.namespace)))),
      ...texts.flat(),
    ]
      .filter(Boolean)
      .join('\n')
  } catch (error) {
    return `The cluster cannot be described: ${messageOf(error)}`
  }
}

function section(title: string, lines: readonly string[]): string {
  return lines.length > 0 ? `${title}:\n${lines.map((line) => `  ${line}`).join('\n')}` : ''
}

function isHealthy(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || isPodReady(pod)
}

function describePod(pod: Pod): string {
  const statuses = pod.status?.containerStatuses ?? []
  const restarts = statuses.reduce((sum, { restartCount }) => sum + restartCount, 0)
  const waiting = [...(pod.status?.initContainerStatuses ?? []), ...statuses].find(({ state }) => state?.waiting)?.state?.waiting?.reason
  const terminated = statuses.find(({ state }) => state?.terminated)?.state?.terminated
  const state = waiting ?? (terminated ? `${terminated.reason} (exit code ${terminated.exitCode})` : pod.status?.phase)
  const ready = `${statuses.filter(({ ready }) => ready).length}/${pod.spec?.containers.length ?? 0}`
  return `${pod.metadata?.namespace}/${pod.metadata?.name}  ${ready} ready  ${state}${restarts > 0 ? `  ${restarts} restarts` : ''}`
}

function describeEvents(events: readonly KubeEvent[]): string[] {
  const time = ({ lastTimestamp, eventTime, metadata }: KubeEvent) => lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? ''
  return events
    .filter(({ type }) => type === 'Warning')
    .toSorted((a, b) => time(a).localeCompare(time(b)))
    .slice(-10)
    .map(
      ({ involvedObject, reason, message, count }) =>
        `${involvedObject.kind?.toLowerCase()}/${involvedObject.name}  ${reason}: ${message?.trim()}${(count ?? 1) > 1 ? ` (${count} times)` : ''}`,
    )
}

async function describeLogs(kube: KubeClient, pod: Pod, lines: number, signal: AbortSignal): Promise<string[]> {
  const { name = '', namespace = '' } = pod.metadata ?? {}
  const started = (pod.status?.containerStatuses ?? []).filter(({ state }) => state?.running || state?.terminated)
  return Promise.all(
    started.map(async ({ name: container }) => {
      try {
        const log = await readPodLog(kube, namespace, name, { container, tail: lines, signal })
        return section(`Log of ${namespace}/${name}, container "${container}"`, log.trimEnd().split('\n').filter(Boolean))
      } catch (error) {
        return section(`Log of ${namespace}/${name}, container "${container}"`, [`cannot be read: ${messageOf(error)}`])
      }
    }),
  )
}
