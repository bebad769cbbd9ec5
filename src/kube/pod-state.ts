import type { Pod } from './types.ts'
import { isPodReady } from './workload.ts'

/** What a pod is doing in a word or two, as `kubectl get pods` has it: `CrashLoopBackOff`, `Init:ErrImagePull`, `Running`. Ready is one more. */
export function podState(pod: Pod): string {
  const { initContainerStatuses = [], containerStatuses = [], phase = 'Pending', reason } = pod.status ?? {}
  if (pod.metadata?.deletionTimestamp) return 'Terminating'
  if (reason) return reason
  for (const { state } of initContainerStatuses) {
    if (state?.waiting?.reason && state.waiting.reason !== 'PodInitializing') return `Init:${state.waiting.reason}`
    if (state?.terminated && state.terminated.exitCode !== 0) return `Init:${state.terminated.reason ?? 'Error'}`
  }
  const waiting = containerStatuses.find(({ state }) => state?.waiting?.reason)?.state?.waiting?.reason
  if (waiting) return waiting
  const failed = containerStatuses.find(({ state }) => state?.terminated && state.terminated.exitCode !== 0)?.state?.terminated
  if (failed) return failed.reason ?? 'Error'
  if (phase === 'Running' && isPodReady(pod)) return 'Ready'
  return phase
}

export function restartsOf(pod: Pod): number {
  return (pod.status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0)
}
