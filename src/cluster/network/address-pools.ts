import { overlaps, parseRange } from '../../support/ip-range.ts'

/** Where Docker takes the subnet of a new network from: subnets of `size` bits. */
export interface AddressPool {
  readonly base: string
  readonly size: number
}

/** Docker's own pools, unless its settings have others (moby, libnetwork/ipamutils): a /16 for each network, then a /20. */
export const defaultAddressPools: readonly AddressPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
]

/** How many networks of IPv4 Docker can still make of its pools. */
export function countFreeSubnets(pools: readonly AddressPool[], taken: readonly string[]): { readonly free: number; readonly all: number } {
  const others = taken.flatMap((cidr) => parseRange(cidr) ?? [])
  const subnets = pools.flatMap(subnetsOf)
  return { free: subnets.filter((subnet) => !others.some((each) => overlaps(each, subnet))).length, all: subnets.length }
}

function subnetsOf({ base, size }: AddressPool) {
  const pool = parseRange(base)
  if (pool?.family !== 4) return []
  const width = 1n << BigInt(32 - size)
  const count = Number((pool.last - pool.first + 1n) / width)
  // A pool of single addresses would be counted for long: nobody makes networks beyond the first thousands.
  return Array.from({ length: Math.min(count, 4096) }, (_, index) => {
    const first = pool.first + BigInt(index) * width
    return { family: 4 as const, first, last: first + width - 1n, cidr: base }
  })
}
