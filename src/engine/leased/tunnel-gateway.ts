import type { Leads } from '../../cluster/network/gateway-scripts.ts'
import type { Gateway, GatewayOptions } from '../../cluster/network/gateway.ts'
import type { TunnelPorts } from '../../cluster/network/tunnel-ports.ts'
import { bracketed } from '../../support/ip-range.ts'

/** Ports of this process that lead through a tunnel to Services. */
export async function tunnelGateway(tunnels: TunnelPorts, { hosts, ports, ...options }: GatewayOptions): Promise<Gateway> {
  let leads: Leads = options.leads
  const addressOf = (index: number) => {
    const lead = leads[index]
    return lead && `${bracketed(lead.address)}:${lead.port}`
  }
  const listen = (host: string, index: number) => tunnels.listen(host, ports[index] ?? 0, () => addressOf(index))
  return {
    ports: await Promise.all(hosts.map(listen)),
    lead: async (wanted) => void (leads = wanted),
    leave: async () => {},
    // They end with the tunnel.
    async [Symbol.asyncDispose]() {
      leads = []
    },
  }
}
