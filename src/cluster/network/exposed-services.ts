import type { Docker } from '../../docker/docker.ts'
import type { Service } from '../../kube/types.ts'
import type { Cluster } from '../cluster.ts'
import { type ServiceAddress, type ServiceTarget, listTargets, startGateway } from './gateway.ts'

/** The Services that the host can reach, growing as Services come. */
export interface ExposedServices extends AsyncDisposable {
  /** As of the last update. */
  readonly addresses: readonly ServiceAddress[]
  /** Gives a host address to every port that is new or leads elsewhere than before, and forgets those that are gone. */
  update(signal: AbortSignal): Promise<void>
}

/** @param isOwn which Services of the cluster they are */
export function exposeServices(docker: Docker, cluster: Cluster, isOwn: (service: Service) => boolean = () => true): ExposedServices {
  const gateways = new AsyncDisposableStack()
  let exposed = new Map<string, ServiceAddress>()
  return {
    get addresses() {
      return [...exposed.values()]
    },
    async update(signal) {
      const targets = await listTargets(cluster, isOwn, signal)
      const missing = targets.filter((target) => !exposed.has(keyOf(target)))
      // A gateway's ports are fixed when its container is made, so that new ones get a gateway of their own.
      const { addresses } = gateways.use(await startGateway(docker, cluster, missing, signal))
      const added = new Map(missing.map((target, index) => [keyOf(target), addresses[index]!]))
      exposed = new Map(targets.map((target) => [keyOf(target), exposed.get(keyOf(target)) ?? added.get(keyOf(target))!]))
    },
    [Symbol.asyncDispose]: () => gateways.disposeAsync(),
  }
}

function keyOf({ namespace, service, portName, port, address, targetPort }: ServiceTarget): string {
  return [namespace, service, portName, port, address, targetPort].join(' ')
}
