import type { KeptCluster } from '../cluster/kept-clusters.ts'

/** Until when a cluster is to be kept; undefined while nobody wants it. */
export interface KeepWish {
  until: number | undefined
}

/** Milliseconds that a cluster is kept unless the suite says otherwise. */
const defaultKeepFor = 3_600_000

export function keepUntil(keepFor = defaultKeepFor): number {
  return Date.now() + keepFor
}

/** What the user can do with a cluster that is kept. */
export function describeKept({ name, run, expires, kubeconfigPath }: KeptCluster): string {
  return [
    `cluster "${name}" is kept until ${new Date(expires).toLocaleTimeString('en-GB')}:`,
    `kubectl --kubeconfig ${kubeconfigPath} get pods --all-namespaces`,
    `npx vitest-kubernetes logs ${name}`,
    `npx vitest-kubernetes prune ${run} --all`,
  ].join('\n     ')
}
