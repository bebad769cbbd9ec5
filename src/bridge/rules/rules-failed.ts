import { ClusterTestError, messageOf } from '../../support/errors.ts'

/** @param what the workload, or both of a cut, in quotes */
export function rulesFailed(what: string, node: string, cause: unknown): ClusterTestError {
  return new ClusterTestError('ERR_BRIDGE_RULES_FAILED', `The rules for ${what} could not be set on node "${node}": ${messageOf(cause)}`, {
    cause,
    hint: 'The node image must contain sh, nsenter, iptables-restore, conntrack and ctr, as k3s images do.',
  })
}
