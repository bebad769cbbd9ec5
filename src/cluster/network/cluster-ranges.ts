import { ClusterTestError } from '../../support/errors.ts'
import { isIPv6, parseRange } from '../../support/ip-range.ts'

/** Which kinds of addresses pods and Services have. */
export type IpFamily = 'ipv4' | 'dual'

/** What k3s gives to pods and Services addresses of, IPv4 first. */
export interface ClusterRanges {
  readonly pods: readonly string[]
  readonly services: readonly string[]
  readonly family: IpFamily
  /** k3s' arguments with those that the family asks for. */
  readonly k3sArgs: readonly string[]
}

// k3s' defaults for IPv4; it has none for IPv6. The latter are of a range of our own (RFC 4193).
const podDefaults = { ipv4: '10.42.0.0/16', ipv6: 'fd76:6b38:7300:4200::/56' }
const serviceDefaults = { ipv4: '10.43.0.0/16', ipv6: 'fd76:6b38:7300:4300::/112' }

/**
 * The ranges that a cluster with these arguments for k3s has.
 * @throws ClusterTestError `ERR_OPTIONS_INVALID` for ranges that contradict the family, or of IPv6 alone
 */
export function clusterRanges(k3sArgs: readonly string[], family: IpFamily): ClusterRanges {
  const pods = valuesOf(k3sArgs, '--cluster-cidr')
  const services = valuesOf(k3sArgs, '--service-cidr')
  checkFamily('--cluster-cidr', pods, family)
  checkFamily('--service-cidr', services, family)
  const both = ({ ipv4, ipv6 }: typeof podDefaults) => (family === 'dual' ? [ipv4, ipv6] : [ipv4])
  const added = [
    ...(pods.length > 0 ? [] : [`--cluster-cidr=${both(podDefaults).join(',')}`]),
    ...(services.length > 0 ? [] : [`--service-cidr=${both(serviceDefaults).join(',')}`]),
    // Without it what leaves the cluster over IPv6 has a pod's address, to which nothing outside has a way.
    ...(k3sArgs.some((arg) => arg.startsWith('--flannel-ipv6-masq')) ? [] : ['--flannel-ipv6-masq']),
  ]
  return {
    pods: pods.length > 0 ? pods : both(podDefaults),
    services: services.length > 0 ? services : both(serviceDefaults),
    family,
    k3sArgs: family === 'dual' ? [...k3sArgs, ...added] : k3sArgs,
  }
}

/** `--flag=a,b`, `--flag=a@server:*`, `--flag` and its value apart, several times. */
function valuesOf(args: readonly string[], flag: string): readonly string[] {
  return args.flatMap((arg, index) => {
    const [name = '', joined] = arg.split('=')
    if (bare(name) !== flag) return []
    return bare(joined ?? args[index + 1] ?? '')
      .split(',')
      .map((value) => value.trim())
  })
}

/** Without k3d's node filter. */
function bare(arg: string): string {
  return arg.split('@')[0]!
}

function checkFamily(flag: string, ranges: readonly string[], family: IpFamily): void {
  if (ranges.length === 0) return
  const text = `k3s' argument "${flag}=${ranges.join(',')}"`
  const unreadable = ranges.find((range) => !parseRange(range))
  if (unreadable !== undefined)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `${text} names "${unreadable}", which is not an address range.`, {
      hint: `Write it like ${flag}=${podDefaults.ipv4}.`,
    })
  const ipv6 = ranges.filter(isIPv6).length
  if (ipv6 === ranges.length)
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `${text} asks for an IPv6-only cluster, which is not supported: nodes have IPv4 too.`,
      {
        hint: `Set ipFamily: 'dual', and ipFamilies: ['IPv6'] for Services that are to have only IPv6.`,
      },
    )
  if (family === 'ipv4' && ipv6 > 0)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `${text} asks for IPv6, but the suite's nodes have no IPv6 addresses.`, {
      hint: `Set ipFamily: 'dual'.`,
    })
  if (family === 'dual' && (ranges.length !== 2 || ipv6 !== 1 || isIPv6(ranges[0]!)))
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      `${text} does not fit ipFamily: 'dual', which takes one IPv4 range and one IPv6 range, in this order.`,
      { hint: `Omit it, or write ${flag}=${podDefaults.ipv4},${podDefaults.ipv6}.` },
    )
}
