import type { ServiceAddress } from '../cluster/network/service-address.ts'
import { type ServiceConnections, clusterAddress, describeConnection } from '../stack/services/connection.ts'
import type { ServiceDefinition } from '../stack/services/definition.ts'

/** The connections of a stack's services, read anew each time: an address may change when more is applied. */
export function connectServices<Services extends Readonly<Record<string, ServiceDefinition>>>(
  services: Services,
  find: (service: string, port: number) => ServiceAddress,
  namespace: string,
): ServiceConnections<Services> {
  const connections = {}
  for (const [name, definition] of Object.entries(services)) {
    const inside = clusterAddress(name, namespace, definition)
    Object.defineProperty(connections, name, {
      enumerable: true,
      get: () => {
        const { host, hostPort } = find(name, inside.port)
        return describeConnection(definition, { host, port: hostPort }, inside)
      },
    })
  }
  return connections as ServiceConnections<Services>
}
