import { join } from 'node:path'

import { listAddresses } from '../cluster/ownership/inventory.ts'
import type { KeptCluster } from '../cluster/ownership/kept-clusters.ts'
import { prepareImages } from '../stack/images/images.ts'
import { waitForChecks } from '../stack/ready/ready-checks.ts'
import { messageOf } from '../support/errors.ts'
import type { Progress } from '../support/progress.ts'
import { adoptServices } from './adopt-services.ts'
import { createBringUp } from './bring-up.ts'
import { portChoice, refuseBusyPorts } from './fixed-ports.ts'
import { k3dImages } from './k3d-images.ts'
import type { EngineParts } from './parts.ts'
import { planSuite } from './plan-suite.ts'
import type { LeaseRequest } from './request.ts'
import { wholeCluster } from './suite-space.ts'
import { enterUp } from './up-stacks.ts'

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
  const { docker, folder } = parts
  const plan = await planSuite(request, folder, signal)
  const { namespace } = plan
  await using owned = new AsyncDisposableStack()
  const started = await enterUp(docker, kept, { owned, progress, signal })
  const { cluster } = started
  const addresses = await listAddresses(docker, kept.name)
  await refuseBusyPorts(plan.ports.filter(({ hostPort }) => !addresses.some((each) => each.hostPort === hostPort)))
  const chosen = portChoice(plan.ports)
  const stack = await prepareImages({ ...parts, plan: plan.images, manifests: plan.manifests, progress, signal })
  const onProblem = (error: unknown) => progress({ kind: 'note', step: 'services', text: messageOf(error) })
  const file = join(folder, 'addresses.json')
  const services = await adoptServices(docker, cluster, { addresses, chosen, file, onProblem, progress, signal })
  try {
    const { trackChild } = parts
    const delivery = k3dImages({ parts, plan: plan.images, started, progress })
    const space = wholeCluster(namespace)
    const bringUp = createBringUp({ plan, cluster, delivery, trackChild, space, services, progress, onApply: () => {} })
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
