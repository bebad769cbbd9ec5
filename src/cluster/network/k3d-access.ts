import type { Docker } from '../../docker/docker.ts'
import type { Cluster } from '../cluster.ts'
import type { ServiceAccess } from '../suite-cluster.ts'
import { startGateway } from './gateway.ts'
import { waitForRulesOfPods, waitForServiceRules } from './service-rules.ts'

/** By a container in the cluster's network, and by what the nodes say of their rules. */
export function k3dAccess(docker: Docker, cluster: Omit<Cluster, 'access'>): ServiceAccess {
  return {
    async openGateway(options) {
      const gateway = await startGateway(docker, cluster, options)
      const reach = (port: number, index: number) => cluster.ports.reach(port, options.hosts[index])
      return { ...gateway, ports: await Promise.all(gateway.ports.map(reach)) }
    },
    waitForServices: (services, signal) => waitForServiceRules(docker, cluster, services, signal),
    waitForPods: (signal) => waitForRulesOfPods(docker, cluster, signal),
  }
}
