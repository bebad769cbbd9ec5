import { encodeMatch } from '../bridge/junction/match.ts'
import type { DisturbOptions } from '../bridge/options.ts'
import type { BridgeRequest } from '../bridge/requests.ts'
import { allKeys, checkKeys, checkOption, isText } from '../stack/check-option.ts'
import { ClusterTestError } from '../support/errors.ts'

const keys = allKeys<DisturbOptions>({
  namespace: true,
  containerName: true,
  ports: true,
  match: true,
  delay: true,
  status: true,
  hang: true,
  reset: true,
  bandwidth: true,
})

/**
 * What the owner of the cluster has to know of a disturbance.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for an option that cannot be meant
 */
export function disturbRequest(workload: string, options: DisturbOptions): BridgeRequest {
  checkKeys('disturb', options, keys)
  const { namespace, containerName, ports, match, delay = 0, status, hang = false, reset = false, bandwidth } = options
  const isAtLeast = (least: number) => (value: unknown) => Number.isSafeInteger(value) && Number(value) >= least
  // More than a timer takes would be none.
  checkOption('disturb.delay', 'milliseconds, 0 to 2147483647', delay, (value) => isAtLeast(0)(value) && Number(value) < 2 ** 31)
  const isPort = (port: unknown) => Number.isInteger(port) || isText(port)
  checkOption(
    'disturb.ports',
    'numbers or names of ports',
    ports,
    (value) => Array.isArray(value) && value.length > 0 && value.every(isPort),
  )
  checkOption('disturb.status', 'a status from 200 to 599', status, (value) => isAtLeast(200)(value) && Number(value) < 600)
  checkOption('disturb.hang', 'a boolean', hang, (value) => typeof value === 'boolean')
  checkOption('disturb.bandwidth', 'bytes per second, 1 or more', bandwidth, isAtLeast(1))
  checkOption(
    'disturb.reset',
    'a boolean or { after: bytes }',
    reset,
    (value) => typeof value === 'boolean' || isAtLeast(0)(Object(value).after),
  )
  const resetAfter = typeof reset === 'object' ? reset.after : reset ? 0 : undefined
  const ends = Object.entries({ status: status !== undefined, hang, reset: resetAfter === 0 }).filter(([, isSet]) => isSet)
  const isNothing = ends.length === 0 && delay === 0 && bandwidth === undefined && resetAfter === undefined
  if (isNothing || ends.length > 1)
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      isNothing
        ? `Nothing is to disturb "${workload}".`
        : `A request to "${workload}" cannot have both ${ends.map(([name]) => `\`${name}\``).join(' and ')}.`,
      { hint: 'Set delay, bandwidth, and one of status, hang and reset.' },
    )
  return {
    workload,
    namespace,
    containerName,
    // A pod that kubelet takes out of its Services would be another fault than the one that is meant.
    probes: 'original',
    timeout: 30_000,
    match: match && encodeMatch(match),
    mirror: false,
    fromPod: [],
    ports: ports && Object.fromEntries(ports.map((port) => [String(port), 1])),
    side: { kind: 'disturbance', env: { from: false }, disturbance: { delay, status, hang, resetAfter, bandwidth } },
  }
}
