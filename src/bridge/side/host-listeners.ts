import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'

import type { PortMapping } from '../rules/ports.ts'
import { type Listener, parseListeners } from './member.ts'

type Port = Pick<PortMapping, 'local' | 'protocol'>

/** What listens on this machine: all of it, or where the kernel has no such table (macOS, Windows), what answers for these ports. */
export async function readHostListeners(ports: readonly Port[]): Promise<readonly Listener[]> {
  try {
    const tables = ['tcp', 'tcp6', 'udp', 'udp6'].map(async (table) => `${table}\n${await readFile(`/proc/net/${table}`, 'utf8')}`)
    return parseListeners((await Promise.all(tables)).join('\n'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return tryPorts(ports)
  }
}

/** Connects on loopback, which the program sees. Nothing tells whether somebody takes datagrams. */
export async function tryPorts(ports: readonly Port[]): Promise<readonly Listener[]> {
  const tried = ports.flatMap(({ local: port, protocol }) =>
    ['127.0.0.1', '::1'].map(async (host) => {
      const listener = { protocol, port, isLoopback: true, isIPv6: host === '::1' }
      return protocol === 'udp' || (await answers(host, port)) ? [listener] : []
    }),
  )
  return (await Promise.all(tried)).flat()
}

async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
