import { type PublishedIngress, publishedIngresses } from '../../cluster/network/ingress-routes.ts'
import { formatServices, publishedService } from '../../cluster/network/published-services.ts'
import type { UpCluster } from '../../cluster/ownership/kept-clusters.ts'
import type { OpenedStack } from './open-stack.ts'

/** A stack that is up, for people and for scripts. */
export interface UpState {
  readonly stack: string
  readonly file: string
  readonly cluster: string
  readonly kubeconfig: string
  /** In the order of its addresses. */
  readonly services: readonly {
    readonly name: string
    readonly port: number
    /** With login and database for the services that the stack defines. */
    readonly url: string
  }[]
  /** What Ingresses, and routes of the Gateway API, serve: each of their paths. */
  readonly ingresses: readonly PublishedIngress[]
}

export function describeUp(kept: UpCluster, { addresses, services, namespace, kubeconfigPath: kubeconfig }: OpenedStack): UpState {
  const cluster = kept.name
  return {
    ...{ stack: kept.stack.name, file: kept.stack.file, cluster, kubeconfig },
    services: addresses.map((each) => {
      const { name, port, address } = publishedService(each)
      const service = each.namespace === namespace ? services[each.service] : undefined
      return { name, port, url: service?.port === each.hostPort ? service.url : address }
    }),
    ingresses: publishedIngresses(addresses),
  }
}

/** @param kubectl begins a command line of kubectl */
export function formatUp({ stack, cluster, services, ingresses }: UpState, kubectl: string): string {
  return [
    `Stack "${stack}" is up, until you take it down:`,
    ...formatServices([
      ...services.map(({ url: address, ...service }) => ({ ...service, address })),
      ...ingresses.map(({ kind, name, url: address }) => ({ name: `${kind}/${name}`, address })),
    ]).map((line) => `  ${line}`),
    '',
    `  npx vitest-kubernetes logs ${cluster} -f`,
    `  npx vitest-kubernetes reset --stack ${stack}`,
    `  npx vitest-kubernetes down ${stack}`,
    `  ${kubectl} get pods`,
  ].join('\n')
}
