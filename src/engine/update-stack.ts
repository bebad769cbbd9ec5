import { join } from 'node:path'

import { attachCluster } from '../cluster/attach-cluster.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type ExposedServices, exposeServices } from '../cluster/network/exposed-services.ts'
import { findFreePort } from '../cluster/network/free-port.ts'
import type { ServiceAddress } from '../cluster/network/service-address.ts'
import { type ServiceTarget, listServices, listTargets } from '../cluster/network/service-targets.ts'
import { listAddresses, listGateways } from '../cluster/ownership/inventory.ts'
import type { KeptCluster } from '../cluster/ownership/kept-clusters.ts'
import { removeContainer } from '../docker/remove.ts'
import { prepareImages } from '../stack/images/images.ts'
import { waitForChecks } from '../stack/ready/ready-checks.ts'
import { messageOf } from '../support/errors.ts'
import type { Progress } from '../support/progress.ts'
import { createBringUp } from './bring-up.ts'
import { portChoice, refuseBusyPorts } from './fixed-ports.ts'
import { createImportOnce } from './import-once.ts'
import { createObjectOwners } from './object-owners.ts'
import type { EngineParts } from './parts.ts'
import { planSuite } from './plan-suite.ts'
import type { LeaseRequest } from './request.ts'
import { wholeCluster } from './suite-space.ts'

/** Milliseconds for the addresses of all Services. */
const exposeTimeout = 30_000

/**
 * Brings a stack that is up to what its file says now: images that have changed, manifests and releases. Data stay as they are. Addresses
 * of Services on this machine stay too, whatever has become of what leads there.
 */
export async function updateStack(
  parts: EngineParts,
  request: LeaseRequest,
  kept: KeptCluster,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { docker } = parts
  const plan = await planSuite(request, parts.folder, signal)
  const { namespace } = plan
  const cluster = await attachCluster(docker, kept, kept.labels, signal)
  const addresses = await listAddresses(docker, kept.name)
  await refuseBusyPorts(plan.ports.filter(({ hostPort }) => !addresses.some((each) => each.hostPort === hostPort)))
  const chosen = portChoice(plan.ports)
  const stack = await prepareImages({ ...parts, plan: plan.images, manifests: plan.manifests, progress, signal })
  const services = await adoptServices(parts, cluster, { addresses, chosen, progress, signal })
  try {
    const started = {
      ...{ cluster, baseline: undefined, importOnce: createImportOnce(docker, cluster), objectOwners: createObjectOwners() },
      inBackground: async () => {},
    }
    const bringUp = createBringUp({ parts, plan, started, space: wholeCluster(namespace), services, progress, onApply: () => {} })
    await bringUp(stack, signal)
    await waitForChecks(request.options.ready ?? {}, {
      kube: cluster.kube,
      namespace,
      addresses: () => services.addresses,
      progress,
      signal,
    })
  } finally {
    // Whatever has failed, or was cancelled: what answers is reached.
    await services.update(AbortSignal.timeout(exposeTimeout)).catch(() => undefined)
    await services.leave()
  }
}

interface AdoptOptions {
  /** Of the gateways that are there. */
  readonly addresses: readonly ServiceAddress[]
  /** The ports of this machine that the stack's file says. */
  readonly chosen: ReturnType<typeof portChoice>
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * The Services of a stack that is up, behind the gateways that they have. Where Services have come, gone or changed, others take their
 * place, at the same ports: connections break then.
 */
async function adoptServices(
  { docker, folder }: EngineParts,
  cluster: Cluster,
  { addresses, chosen, progress, signal: start }: AdoptOptions,
): Promise<ExposedServices> {
  const known = portChoice(addresses)
  const look = async (signal: AbortSignal) => listTargets(cluster, () => true, signal)
  const leadsOf = (targets: readonly ServiceTarget[]) =>
    JSON.stringify(targets.map(({ namespace, service, port, lead }) => [namespace, service, port, lead]))
  const before = leadsOf(await look(start))
  const services = exposeServices(docker, cluster, {
    isOwn: () => true,
    file: join(folder, 'addresses.json'),
    portOf: async (target) => chosen(target) ?? known(target) ?? findFreePort(),
    // Somebody has taken it since: what cannot be reached would be worse.
    onPortTaken: (port) => progress({ kind: 'note', step: 'services', text: `port ${port} is in use: its Service gets another one` }),
    onProblem: (error) => progress({ kind: 'note', step: 'services', text: messageOf(error) }),
  })
  // Nobody has followed its pods since the gateways were left.
  const hasHeadless = async (signal: AbortSignal) => (await listServices(cluster, signal)).some(({ spec }) => spec?.clusterIP === 'None')
  let isReplaced = false
  const fits = (targets: readonly ServiceTarget[]) =>
    targets.length === addresses.length &&
    leadsOf(targets) === before &&
    targets.every((target) => known(target) !== undefined && (chosen(target) ?? known(target)) === known(target))
  const update = async (signal: AbortSignal) => {
    if (!isReplaced && fits(await look(signal)) && !(await hasHeadless(signal))) return
    if (!isReplaced) for (const { Id } of await listGateways(docker, cluster.name)) await removeContainer(docker, Id)
    isReplaced = true
    await services.update(signal)
  }
  return {
    ...services,
    get addresses() {
      return isReplaced ? services.addresses : addresses
    },
    update,
  }
}
