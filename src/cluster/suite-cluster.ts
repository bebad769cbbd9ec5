import type { KubeClient } from '../kube/client.ts'
import type { Service } from '../kube/types.ts'
import type { Gateway, GatewayOptions } from './network/gateway.ts'

/** A cluster as a suite uses it, whoever runs it. */
export interface SuiteCluster {
  readonly name: string
  /** Absolute path of the kubeconfig, readable by its owner only. */
  readonly kubeconfigPath: string
  readonly kube: KubeClient
  readonly access: ServiceAccess
}

/** How this machine comes to Services, and knows that others do. */
export interface ServiceAccess {
  /** Gives ports of this machine to Services. */
  openGateway(options: GatewayOptions): Promise<Gateway>
  /** Waits until these Services, which have endpoints, are reached. */
  waitForServices(services: readonly Service[], signal: AbortSignal): Promise<void>
  /** Waits until no Service leads to a pod that is gone. */
  waitForPods(signal: AbortSignal): Promise<void>
}
