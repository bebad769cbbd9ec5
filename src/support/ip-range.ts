import { isIP } from 'node:net'

/** A range of IP addresses: `10.42.0.0/16`. */
export interface IpRange {
  readonly family: 4 | 6
  readonly first: bigint
  readonly last: bigint
  /** As it was written. */
  readonly cidr: string
}

/** undefined for what is no range. An address without a length is a range of one. */
export function parseRange(cidr: string): IpRange | undefined {
  const [address = '', length] = cidr.split('/')
  const family = isIP(address)
  if (family === 0) return undefined
  const bits = family === 4 ? 32 : 128
  const prefix = length === undefined ? bits : Number(length)
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits || length === '') return undefined
  const size = 1n << BigInt(bits - prefix)
  const number = family === 4 ? numberOf(address.split('.').map(Number), 8) : numberOf(groupsOf(address), 16)
  const first = number - (number % size)
  return { family: family as 4 | 6, first, last: first + size - 1n, cidr }
}

export function overlaps(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last
}

export function isIPv6(address: string): boolean {
  return address.includes(':')
}

/** For URLs and `host:port`: IPv6 addresses in brackets. */
export function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

function numberOf(parts: readonly number[], bits: number): bigint {
  return parts.reduce((number, part) => (number << BigInt(bits)) + BigInt(part), 0n)
}

/** `fd00::10.0.0.1` has its last two groups in decimal. */
function groupsOf(address: string): readonly number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a, b, c, d] = parts.map(Number) as [number, number, number, number]
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
  const [head, tail] = hex.split('::').map((half) => (half ? half.split(':').map((group) => Number.parseInt(group, 16)) : []))
  return tail ? [...head!, ...Array<number>(8 - head!.length - tail.length).fill(0), ...tail] : head!
}
