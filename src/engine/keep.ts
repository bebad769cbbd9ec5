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
    ...lookInto(name, kubectlFor({ name, kubeconfigPath }), services),
  ].join(indent)
}

/** What the user can do with a cluster that is kept. */
export function describeKept(kept: KeptCluster, services: readonly PublishedService[], areElsewhere: boolean): string {
  const { name, run, expires } = kept
  return [
    `cluster "${name}" is kept until ${new Date(expires).toLocaleTimeString('en-GB')}:`,
    ...lookInto(name, kubectlFor(kept, areElsewhere), areElsewhere ? [] : services),
    `npx vitest-kubernetes prune ${run} --all`,
  ].join(indent)
}

/** @param areElsewhere whether what Docker publishes is on another machine, and forwarded by no process */
export function kubectlFor({ name, kubeconfigPath }: Pick<Cluster, 'name' | 'kubeconfigPath'>, areElsewhere = false): string {
  return areElsewhere ? `docker exec k3d-${name}-server-0 kubectl` : `kubectl --kubeconfig ${kubeconfigPath}`
}

const indent = '\n     '

function lookInto(name: string, kubectl: string, services: readonly PublishedService[]): readonly string[] {
  return [...formatServices(services), `${kubectl} get pods --all-namespaces`, `npx vitest-kubernetes logs ${name}`]
}
