import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'

import { isIPv6, overlaps, parseRange } from '../../support/ip-range.ts'

/** Where a connection comes from: the cluster's network, this machine, or anywhere else. */
type Origin = 'network' | 'machine' | 'elsewhere'

/**
 * Lets those call who may, at an address that this machine listens on: on the gateway of a cluster's Docker network whoever is in
 * that network, and this machine's processes of the same user, as a junction is; on loopback everybody. Others are reset.
 */
export function admitCallers(listening: string): (socket: Socket, accept: () => void) => void {
  const originOf = origins(listening)
  return (socket, accept) => {
    const origin = originOf(socket.remoteAddress)
    if (origin === 'network') return accept()
    // A listener of whoever takes the connection comes later.
    const onError = () => socket.destroy()
    socket.on('error', onError)
    const decide = async () => {
      if (origin === 'elsewhere' || !(await isOfSameUser(socket).catch(() => false))) return socket.resetAndDestroy()
      socket.off('error', onError)
      if (!socket.destroyed) accept()
    }
    void decide()
  }
}

export function origins(
  listening: string,
  interfaces = Object.values(networkInterfaces()).flatMap((own) => own ?? []),
): (address: string | undefined) => Origin {
  const own = interfaces.find(({ address }) => isSame(address, listening))
  if (own?.internal) return () => 'network'
  const network = own?.cidr ? parseRange(own.cidr) : undefined
  return (address) => {
    const range = address ? parseRange(address) : undefined
    if (!range || !network) return 'elsewhere'
    if (isSame(address!, listening)) return 'machine'
    return overlaps(network, range) ? 'network' : 'elsewhere'
  }
}

/** By the other end of a connection within this machine, see proc_net_tcp(5). */
async function isOfSameUser({ remoteAddress = '', remotePort, localPort }: Socket): Promise<boolean> {
  const table = await readFile(isIPv6(remoteAddress) ? '/proc/net/tcp6' : '/proc/net/tcp', 'utf8')
  return userOf(table, { from: remotePort!, to: localPort! }) === process.getuid?.()
}

/** Of the process at the end that has opened a connection between two ports of the same address. */
export function userOf(table: string, { from, to }: { readonly from: number; readonly to: number }): number | undefined {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  const row = new RegExp(`^ *\\d+: ([0-9A-F]+):${hex(from)} \\1:${hex(to)} 0[145] \\S+ \\S+ \\S+ +(\\d+) `, 'm').exec(table)
  return row ? Number(row[2]) : undefined
}

/** IPv6 has several spellings of an address. */
function isSame(a: string, b: string): boolean {
  const [one, other] = [parseRange(a), parseRange(b)]
  return Boolean(one && other && one.family === other.family && one.first === other.first)
}
