import type { Socket } from 'node:net'

import type { Endpoint } from '../rules/endpoint.ts'
import type { Forward } from '../rules/rules.ts'

/** How the cluster and this machine reach each other. */
export interface LocalReach {
  /** Addresses on which this machine listens for the cluster, that of IPv4 first. */
  readonly addresses: readonly string[]
  /** Where the cluster sends what is for listeners at these addresses, until `cleanup` is disposed. */
  lead(forwards: readonly Forward[], cleanup: AsyncDisposableStack): Promise<readonly Forward[]>
  /** Where this machine connects to what is for somebody on the cluster's network. */
  to(endpoint: Endpoint): Promise<Endpoint>
  /** The ends, on the cluster's network, of a connection that a listener of this machine has accepted, as far as they are known. */
  endsOf(socket: Socket): Ends | undefined
}

export interface Ends {
  readonly from: Endpoint
  readonly to: Endpoint
}

/** Finds it out at the first call: suites that send nothing here pay nothing. */
export type FindReach = () => Promise<LocalReach>

/** Nothing stands in between. */
export function directReach(addresses: readonly string[]): LocalReach {
  return {
    addresses,
    lead: async (forwards) => forwards,
    to: async (endpoint) => endpoint,
    endsOf: ({ remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 }) => ({
      from: { host: remoteAddress, port: remotePort },
      to: { host: localAddress, port: localPort },
    }),
  }
}
