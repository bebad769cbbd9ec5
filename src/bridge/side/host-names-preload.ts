// Loaded with `node --import` into processes on the host that stand in for a workload.
import { installClusterNames } from './host-names.ts'
import { readAddresses } from './read-addresses.ts'

const { file, namespace } = JSON.parse(process.env['VITEST_KUBERNETES_NAMES'] ?? '{"file":"","namespace":"default"}') as {
  file: string
  namespace: string
}
const addresses = readAddresses(file)
// Now, since the program may give up the right to.
addresses()
installClusterNames(addresses, namespace)
