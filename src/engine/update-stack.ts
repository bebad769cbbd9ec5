import { join } from 'node:path'

import { attachCluster } from '../cluster/attach-cluster.ts'
import { exposeServices } from '../cluster/network/exposed-services.ts'
import { findFreePort } from '../cluster/network/free-port.ts'
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
import type { SuitePlan } from './plan-suite.ts'
import { wholeCluster } from './suite-space.ts'

/** Milliseconds for the addresses of all Services. */
const exposeTimeout = 30_000

/**
 * Brings a stack that is up to what its file says now: images that have changed, manifests and releases. Data stay as they are. Addresses
 * of Services on this machine stay too, whatever has become of what leads there.
 */
export async function updateStack(
  parts: EngineParts,
  plan: SuitePlan,
  kept: KeptCluster,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { docker } = parts
  const { namespace, request } = plan
  const cluster = await attachCluster(docker, kept, kept.labels, signal)
  const addresses = await listAddresses(docker, kept.name)
  await refuseBusyPorts(plan.ports.filter(({ hostPort }) => !addresses.some((each) => each.hostPort === hostPort)))
  const known = portChoice(addresses)
  const chosen = portChoice(plan.ports)
  const stack = await prepareImages({ ...parts, plan: plan.images, manifests: plan.manifests, progress, signal })
  const old = await listGateways(docker, kept.name)
  await Promise.all(old.map(({ Id }) => removeContainer(docker, Id)))
  const services = exposeServices(docker, cluster, {
    isOwn: () => true,
    file: join(parts.folder, 'addresses.json'),
    portOf: async (target) => chosen(target) ?? known(target) ?? findFreePort(),
    // Somebody has taken it since: what cannot be reached would be worse.
    onPortTaken: (error) => progress({ kind: 'note', step: 'services', text: `not all ports are those of before: ${messageOf(error)}` }),
    onProblem: (error) => progress({ kind: 'note', step: 'services', text: messageOf(error) }),
  })
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
