import type { Pod } from '../../kube/types.ts'
import { eventsOf } from './events-of.ts'
import { judgeClaims } from './judge-claims.ts'
import { judgeContainers } from './judge-containers.ts'
import { missingOf } from './missing.ts'
import { ruleFor } from './reasons.ts'
import { type ClusterState, type Verdict, failedBy } from './verdict.ts'

/** What keeps a pod from becoming ready, unless it passes by itself. `crashCounts` is not for pods of Jobs, which are judged by their Job. */
export function judgePod(pod: Pod, state: ClusterState, crashCounts: boolean): readonly Verdict[] {
  const containers = judgeContainers(pod, state.events, crashCounts)
  if (containers.length > 0 || hasBegun(pod)) return containers
  const scheduling = judgeScheduling(pod)
  // A claim that is not bound is why, and says more.
  const claims = scheduling.length > 0 || !pod.spec?.nodeName ? judgeClaims(pod, state) : []
  if (claims.length > 0) return claims
  return scheduling.length > 0 ? scheduling : judgeLastEvent(pod, state)
}

function hasBegun({ status }: Pod): boolean {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].some(
    ({ started, state }) => started || state?.running || state?.terminated,
  )
}

function judgeScheduling({ metadata, status }: Pod): readonly Verdict[] {
  const condition = status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  if (!condition) return []
  const { reason = '', message = '' } = condition
  const missing = missingOf(message, metadata?.namespace ?? 'default')
  return failedBy(ruleFor('condition', reason, message), {
    reason: `pod "${metadata?.name}" cannot be scheduled: ${message || reason}`,
    cause: `${metadata?.name} ${reason}`,
    missing,
  })
}

/** Volumes, network and sandbox are told by events alone; a later event than that says that they are there by now. */
function judgeLastEvent(pod: Pod, { events }: ClusterState): readonly Verdict[] {
  const { name, namespace = 'default' } = pod.metadata ?? {}
  const last = eventsOf({ kind: 'Pod', metadata: pod.metadata }, events).find(({ reason = '' }) => !besides.has(reason))
  if (!last) return []
  const { reason = '', message = '' } = last
  const rule = ruleFor('event', reason, message)
  const [, pause, why] = /failed to get sandbox image "([^"]+)": (.*)/s.exec(message) ?? []
  const verdict = pause
    ? {
        reason: `pod "${name}": image "${pause}", which every pod needs ("pause"), cannot be pulled: ${why}`,
        hint: 'Use a node image that contains it, or let the nodes reach its registry (option `nodeEnv`: HTTPS_PROXY).',
      }
    : { reason: `pod "${name}": ${message || reason}` }
  return failedBy(rule, { ...verdict, cause: `${name} ${reason}`, missing: missingOf(message, namespace, pod) })
}

/** Says nothing about how far the pod is. */
const besides = new Set(['FailedToRetrieveImagePullSecret', 'DNSConfigForming', 'HostIPsIPFamilyMismatch', 'CheckLimitsForResolvConf'])
