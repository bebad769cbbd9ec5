import type { Docker } from '../docker/docker.ts'
import type { Cluster } from './cluster.ts'
import { type ServiceAddress, listServices, startGateway } from './gateway.ts'

/** The Services that the host can reach, growing as Services come. */
export interface ExposedServices extends AsyncDisposable {
  readonly addresses: readonly ServiceAddress[]
  /** Gives a host address to every Service that has none yet. */
  update(signal: AbortSignal): Promise<void>
}

export function exposeServices(docker: Docker, cluster: Cluster): ExposedServices {
  const gateways = new AsyncDisposableStack()
  const addresses: ServiceAddress[] = []
  return {
    addresses,
    async update(signal) {
      const known = new Set(addresses.map(({ namespace, service }) => `${namespace}/${service}`))
      const services = (await listServices(cluster, signal)).filter(
        ({ metadata }) => !known.has(`${metadata?.namespace}/${metadata?.name}`),
      )
      // A gateway's ports are fixed when its container is made, so that new Services get one of their own.
      const gateway = gateways.use(await startGateway(docker, cluster, services, signal))
      addresses.push(...gateway.addresses)
    },
    [Symbol.asyncDispose]: () => gateways.disposeAsync(),
  }
}
