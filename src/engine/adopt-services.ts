import { type ExposedServices, exposeServices } from '../cluster/network/exposed-services.ts'
import { findFreePort } from '../cluster/network/free-port.ts'
import { leaveRunning } from '../cluster/network/gateway.ts'
import { withRoutes } from '../cluster/network/ingress-routes.ts'
import type { K3dCluster } from '../cluster/network/k3d-access.ts'
import { reachAddresses } from '../cluster/network/published-ports.ts'
import { type ServiceAddress, writeAddresses } from '../cluster/network/service-address.ts'
import { type ServiceTarget, listServices, listTargets } from '../cluster/network/service-targets.ts'
import { listGateways } from '../cluster/ownership/inventory.ts'
import type { Docker } from '../docker/docker.ts'
import { removeContainer } from '../docker/remove.ts'
import type { Progress } from '../support/progress.ts'
import { portChoice } from './fixed-ports.ts'

export interface AdoptOptions {
  /** Of the gateways that are there. */
  readonly addresses: readonly ServiceAddress[]
  /** The ports of this machine that the stack's file says. */
  readonly chosen: ReturnType<typeof portChoice>
  /** Where other processes find the addresses. */
  readonly file: string
  readonly onProblem: (error: unknown) => void
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * The Services of a stack that is up, behind the gateways that they have. Where Services have come, gone or changed, others take their
 * place, at the same ports: connections break then.
 */
export async function adoptServices(
  docker: Docker,
  cluster: K3dCluster,
  { addresses, chosen, file, onProblem, progress, signal: start }: AdoptOptions,
): Promise<ExposedServices> {
  const known = portChoice(addresses)
  const look = async (signal: AbortSignal) => listTargets(cluster, () => true, signal)
  const leadsOf = (targets: readonly ServiceTarget[]) =>
    JSON.stringify(targets.map(({ namespace, service, port, lead }) => [namespace, service, port, lead]))
  const before = leadsOf(await look(start))
  const services = exposeServices(cluster, {
    isOwn: () => true,
    file,
    portOf: async (target) => chosen(target) ?? known(target) ?? findFreePort(),
    // Somebody has taken it since: what cannot be reached would be worse.
    onPortTaken: (port) => progress({ kind: 'note', step: 'services', text: `port ${port} is in use: its Service gets another one` }),
    onProblem,
  })
  const reached = await reachAddresses(cluster.ports, addresses)
  let adopted = await withRoutes(cluster.kube, reached, start)
  await writeAddresses(file, adopted)
  // Nobody has followed its pods since the gateways were left.
  const hasHeadless = async (signal: AbortSignal) => (await listServices(cluster, signal)).some(({ spec }) => spec?.clusterIP === 'None')
  let isReplaced = false
  const fits = (targets: readonly ServiceTarget[]) =>
    targets.length === addresses.length &&
    leadsOf(targets) === before &&
    targets.every((target) => known(target) !== undefined && (chosen(target) ?? known(target)) === known(target))
  const update = async (signal: AbortSignal) => {
    if (!isReplaced && fits(await look(signal)) && !(await hasHeadless(signal))) {
      adopted = await withRoutes(cluster.kube, reached, signal)
      return writeAddresses(file, adopted)
    }
    if (!isReplaced) for (const { Id } of await listGateways(docker, cluster.name)) await removeContainer(docker, Id)
    isReplaced = true
    await services.update(signal)
  }
  return {
    ...services,
    get addresses() {
      return isReplaced ? services.addresses : adopted
    },
    update,
    async leave() {
      await services.leave()
      // Those of a process that was killed too.
      for (const { Id } of await listGateways(docker, cluster.name)) await leaveRunning(docker, Id)
    },
  }
}
