// Loaded with `node --import` into processes on the host that stand in for a workload.
import { type NamedAddress, installClusterNames } from './host-names.ts'

const { addresses, namespace } = JSON.parse(process.env['VITEST_KUBERNETES_NAMES'] ?? '{"addresses":[],"namespace":"default"}') as {
  addresses: readonly NamedAddress[]
  namespace: string
}
installClusterNames(() => addresses, namespace)
