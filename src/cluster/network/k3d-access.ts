import type { Docker } from '../../docker/docker.ts'
import type { Cluster } from '../cluster.ts'
import type { ServiceAccess, SuiteCluster } from '../suite-cluster.ts'
import { startGateway } from './gateway.ts'
import { waitForRulesOfPods, waitForServiceRules } from './service-rules.ts'

/** One that k3d runs, as suites use it. */
export type K3dCluster = Cluster & SuiteCluster

export function withAccess(docker: Docker, cluster: Cluster): K3dCluster {
  return { ...cluster, access: k3dAccess(docker, cluster) }
}

/** By a container in the cluster's network, and by what the nodes say of their rules. */
function k3dAccess(docker: Docker, cluster: Cluster): ServiceAccess {
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
