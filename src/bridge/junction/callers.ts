import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'

import { overlaps, parseRange } from '../../support/ip-range.ts'
import { reset } from '../../support/reset-socket.ts'

/**
 * Lets those call who may, at an address that this machine listens on: on the gateway of a cluster's Docker network whoever is in
 * that network, and this machine, from which a junction calls; on loopback everybody. Others are reset.
 */
export function admitCallers(listening: string): (socket: Socket, accept: () => void) => void {
  const mayCall = callersOf(listening)
  return (socket, accept) => {
    if (mayCall(socket.remoteAddress)) return accept()
    socket.on('error', () => socket.destroy())
    reset(socket)
  }
}

export function callersOf(
  listening: string,
  interfaces = Object.values(networkInterfaces()).flatMap((own) => own ?? []),
): (address: string | undefined) => boolean {
  const own = interfaces.find(({ address }) => isSame(address, listening))
  if (own?.internal) return () => true
  const network = own?.cidr ? parseRange(own.cidr) : undefined
  return (address) => {
    const range = address ? parseRange(address) : undefined
    if (!range || !network) return false
    // Docker masquerades what this machine sends to a gateway's address from there: it comes from another address of its own.
    return overlaps(network, range) || interfaces.some((each) => !each.internal && isSame(each.address, address!))
  }
}

/** IPv6 has several spellings of an address. */
function isSame(a: string, b: string): boolean {
  const [one, other] = [parseRange(a), parseRange(b)]
  return Boolean(one && other && one.family === other.family && one.first === other.first)
}
