import { type IpRange, overlaps, parseRange } from '../../support/ip-range.ts'

/**
 * Private IPv4 subnets for the Docker network of a cluster, best first, none of which overlaps with a range that is taken.
 * A /24 is enough: nodes, gateways and local containers are the only ones in it.
 */
export function freeSubnets(taken: readonly IpRange[]): readonly string[] {
  return candidates().filter((cidr) => {
    const range = parseRange(cidr)!
    return !taken.some((each) => overlaps(each, range))
  })
}

/** From the middle of each private range (RFC 1918): home networks, VPNs and Docker itself begin at the ends. */
function candidates(): readonly string[] {
  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
  return [
    ...numbers(24, 31).flatMap((second) => [77, 177].map((third) => `172.${second}.${third}.0/24`)),
    ...numbers(100, 250).map((third) => `192.168.${third}.0/24`),
    ...numbers(60, 250).map((second) => `10.${second}.77.0/24`),
    ...numbers(16, 23).map((second) => `172.${second}.77.0/24`),
  ]
}

/** First of `ranges` and first of `others` that have an address in common. */
export function findOverlap(ranges: readonly string[], others: readonly string[]): readonly [string, string] | undefined {
  for (const a of ranges) {
    for (const b of others) {
      const [one, other] = [parseRange(a), parseRange(b)]
      if (one && other && overlaps(one, other)) return [a, b]
    }
  }
  return undefined
}

/** Ranges to which this machine has a route of its own, from /proc/net/route (proc(5)): hexadecimal, in the order of the bytes in memory. */
export function parseRoutes(table: string): readonly string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, destination = '', , , , , , mask = ''] = line.split('\t')
      const bits = [...(mask.trim().match(/../g) ?? [])].map((byte) => Number.parseInt(byte, 16).toString(2).replaceAll('0', '').length)
      const length = bits.reduce((sum, each) => sum + each, 0)
      if (!destination || length === 0) return []
      const bytes = destination.match(/../g)!.map((byte) => Number.parseInt(byte, 16))
      return [`${bytes.toReversed().join('.')}/${length}`]
    })
}
