import { ClusterTestError, messageOf } from '../../support/errors.ts'

export function rulesFailed(workload: string, node: string, cause: unknown): ClusterTestError {
  return new ClusterTestError(
    'ERR_BRIDGE_RULES_FAILED',
    `The rules for "${workload}" could not be set on node "${node}": ${messageOf(cause)}`,
    {
      cause,
      hint: 'The node image must contain sh, nsenter, iptables-restore, conntrack and ctr, as k3s images do.',
    },
  )
}
