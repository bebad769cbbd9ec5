import { groupOf, isWorkload } from '../../kube/kinds.ts'
import { selectorFits } from '../../kube/labels.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Pod, Service } from '../../kube/types.ts'
import { isPodReady } from '../../kube/workload.ts'
import { expectsEndpoints, selects } from '../manifests/workloads.ts'
import { judgePod } from './judge-pod.ts'
import type { ClusterState, Judged } from './verdict.ts'

/** Whether a Service has the endpoint that it should have, or why it never will. */
export function judgeService(service: Service, applied: readonly KubeObject[], state: ClusterState, othersAreReady: boolean): Judged {
  const { metadata, spec } = service
  const namespace = metadata?.namespace ?? 'default'
  const base = { target: `service/${metadata?.name}`, namespace }
  const selector = Object.entries(spec?.selector ?? {})
  if (selector.length === 0 || spec?.type === 'ExternalName' || hasEndpoint(service, state)) return { ...base, state: 'ready', reason: '' }
  if (!othersAreReady) return { ...base, state: 'pending', reason: 'waits for its pods' }
  // Scaled to none, or a Job's: nothing is expected to answer.
  const isMeant = applied.some((object) => isWorkload(object) && selects(service, object))
  if (isMeant && !expectsEndpoints(service, applied)) return { ...base, state: 'ready', reason: '' }

  const candidates = state.pods.filter(
    (pod) => pod.metadata?.namespace === namespace && !['Succeeded', 'Failed'].includes(pod.status?.phase ?? ''),
  )
  const selected = candidates.filter((pod) => selectorFits(spec?.selector, pod.metadata?.labels))
  const text = selector.map(([key, value]) => `${key}=${value}`).join(',')
  if (selected.length === 0) {
    const hint = `Pods in namespace "${namespace}" have ${
      labelsOf(
        candidates,
        selector.map(([key]) => key),
      ).join('; ') || 'none of these labels'
    }.`
    // Custom resources and CronJobs may still bring pods of their own.
    return {
      ...base,
      state: 'failed',
      reason: `has no endpoints: no pod has the labels ${text}`,
      hint,
      grace: applied.some((each) => isCustom(each) || each.kind === 'CronJob') ? 30_000 : 1000,
    }
  }
  const names = [
    ...new Set(selected.flatMap((pod) => pod.spec?.containers.flatMap(({ ports }) => ports ?? []) ?? []).flatMap(({ name }) => name ?? [])),
  ]
  const unknown = spec?.ports?.map(({ targetPort }) => targetPort).find((port) => typeof port === 'string' && !names.includes(port))
  if (unknown) {
    const hint = `They have ${names.map((name) => `"${name}"`).join(', ') || 'no named port'}.`
    return {
      ...base,
      state: 'failed',
      reason: `has no endpoints: its targetPort "${String(unknown)}" is not a port of its pods`,
      hint,
      grace: 1000,
    }
  }
  if (selected.every(isPodReady)) return { ...base, state: 'pending', reason: 'waits for its endpoints' }
  const reason = `none of its pods is ready (${text})`
  // Of an operator, say: the pods of what was applied are ready.
  const broken = selected.map((pod) => judgePod(pod, state, true)[0])
  const final = broken.every((each) => each !== undefined) ? broken[0] : undefined
  if (!final) return { ...base, state: 'pending', reason }
  return { ...base, ...final, reason: `${reason}: ${final.reason}`, grace: Math.max(final.grace ?? 0, 30_000), cause: 'pods' }
}

/** A headless Service may have no ports: names alone. */
function hasEndpoint({ metadata, spec }: Service, { endpointSlices }: ClusterState): boolean {
  const hasPorts = (spec?.ports ?? []).length > 0
  return endpointSlices
    .filter(
      (slice) =>
        slice.metadata.namespace === metadata?.namespace && slice.metadata.labels?.['kubernetes.io/service-name'] === metadata?.name,
    )
    .some(
      ({ endpoints, ports }) => ((ports ?? []).length > 0 || !hasPorts) && endpoints?.some(({ conditions }) => conditions?.ready !== false),
    )
}

function labelsOf(pods: readonly Pod[], keys: readonly string[]): readonly string[] {
  const labels = pods.flatMap(({ metadata }) => Object.entries(metadata?.labels ?? {}))
  return [...new Set(labels.filter(([key]) => keys.includes(key)).map(([key, value]) => `${key}=${value}`))]
}

/** Whether an object is an operator's to make something of. */
export function isCustom({ apiVersion }: KubeObject): boolean {
  const group = groupOf(apiVersion)
  return group.includes('.') && !group.endsWith('.k8s.io')
}
