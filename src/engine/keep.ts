import type { Cluster } from '../cluster/cluster.ts'
import { type PublishedService, formatServices } from '../cluster/network/published-services.ts'
import type { KeptCluster } from '../cluster/ownership/kept-clusters.ts'

/** Milliseconds that a cluster is kept unless the suite says otherwise. */
const defaultKeepFor = 3_600_000

export function keepUntil(keepFor = defaultKeepFor): number {
  return Date.now() + keepFor
}

/** What the user can do with a cluster that is held ready in watch mode, and would be kept. */
export function describeHeld(
  { name, kubeconfigPath }: Pick<Cluster, 'name' | 'kubeconfigPath'>,
  services: readonly PublishedService[],
): string {
  return [
    `cluster "${name}" stays as it is until its suite runs again, and is kept when vitest ends:`,
    ...lookInto(name, kubeconfigPath, services),
  ].join(indent)
}

/** What the user can do with a cluster that is kept. */
export function describeKept({ name, run, expires, kubeconfigPath }: KeptCluster, services: readonly PublishedService[]): string {
  return [
    `cluster "${name}" is kept until ${new Date(expires).toLocaleTimeString('en-GB')}:`,
    ...lookInto(name, kubeconfigPath, services),
    `npx vitest-kubernetes prune ${run} --all`,
  ].join(indent)
}

const indent = '\n     '

function lookInto(name: string, kubeconfigPath: string, services: readonly PublishedService[]): readonly string[] {
  return [
    ...formatServices(services),
    `kubectl --kubeconfig ${kubeconfigPath} get pods --all-namespaces`,
    `npx vitest-kubernetes logs ${name}`,
  ]
}
