import { join } from 'node:path'

import { createServiceBridges } from '../../bridge/services/service-bridges.ts'
import { planStandIns } from '../../bridge/stand-in.ts'
import { exposeServices } from '../../cluster/network/exposed-services.ts'
import type { KubeObject } from '../../kube/object.ts'
import { startDiagnosis } from '../../report/diagnosis.ts'
import { keepBuildLog } from '../../report/keep-build-log.ts'
import { type RecordedBridges, recordBridges } from '../../report/record-bridges.ts'
import type { SuiteRecorder } from '../../report/recorder.ts'
import { resettable, saveStores } from '../../seed/reset.ts'
import { loadManifests } from '../../stack/manifests/manifests.ts'
import { waitForChecks } from '../../stack/ready/ready-checks.ts'
import { messageOf } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import type { Progress } from '../../support/progress.ts'
import { createBringUp } from '../bring-up.ts'
import { portChoice } from '../fixed-ports.ts'
import { type SuitePlan, checkManifests, keysOf, notesOf } from '../plan-suite.ts'
import { noteObjects, recordReady } from '../record-suite.ts'
import type { RunningSuite } from '../start-suite.ts'
import type { LeasedCluster } from './leased-cluster.ts'
import { leasedImages } from './leased-images.ts'
import type { LeasedParts } from './leased-parts.ts'
import { leasedSpace } from './leased-space.ts'

/** The whole life of a suite in a namespace of an existing cluster, top to bottom. */
export async function startLeasedSuite(
  parts: LeasedParts,
  plan: SuitePlan,
  cluster: LeasedCluster,
  { progress, recorder }: { readonly progress: Progress; readonly recorder: SuiteRecorder },
  signal: AbortSignal,
): Promise<RunningSuite> {
  const { kube } = cluster
  const { namespace, request } = plan
  const tell = (notes: readonly string[]) => notes.forEach((text) => progress({ kind: 'note', step: 'apply', text }))
  tell(plan.notes)
  await using cleanup = new AsyncDisposableStack()
  const space = leasedSpace(kube, namespace, cluster.owner)
  const written: KubeObject[] = []
  let recorded: RecordedBridges | undefined
  const outputs = async () => (await recorded?.outputs()) ?? []
  const namespaces = () => space.namespaces
  const diagnosis = cleanup.use(
    await startDiagnosis({ nodes: undefined, cluster, recorder, namespaces, manifests: written, outputs }, signal),
  )
  const onProblem = (error: unknown) => {
    progress({ kind: 'note', step: 'services', text: messageOf(error) })
    recorded?.tell(error)
  }
  const file = join(parts.folder, `addresses-${randomId(4)}.json`)
  const chosen = portChoice(plan.ports)
  const services = cleanup.use(
    exposeServices(cluster, {
      isOwn: (service) => space.isOwn(service),
      file,
      portOf: async (target) => chosen(target),
      onPortTaken: (port) => progress({ kind: 'note', step: 'services', text: `port ${port} is in use: its Service gets another one` }),
      onProblem,
    }),
  )
  const addresses = () => services.addresses
  const { trackChild } = parts
  const keepLog = (name: string, log: string) => keepBuildLog(recorder, name, log)
  const delivery = leasedImages({ ...parts, plan: plan.images, keepLog, progress })
  const onApply = (objects: readonly KubeObject[]) => noteObjects(recorder, written, objects)
  const bringUp = createBringUp({ plan, cluster, delivery, trackChild, space, services, progress, onApply })
  const stores = resettable(request.options)
  const stack = await delivery.prepare(plan.manifests, signal)
  await bringUp({ ...stack, seeds: plan.seeds }, signal)
  await waitForChecks(request.options.ready ?? {}, { kube, namespace, addresses, progress, signal })
  await saveStores(stores, { kube, namespace, signal })
  // The last one in: bridges end before what they lead to.
  const bridges = cleanup.use(
    createServiceBridges({
      ...{ owner: parts.owner, trackChild, kube, namespace, addresses, addressesFile: file },
      ...{ cluster: cluster.name, relay: cluster.relay, selector: cluster.relay.selector, endIdle: cluster.relay.endIdle },
      onProblem: (error) => progress({ kind: 'note', step: 'bridge', text: messageOf(error) }),
    }),
  )
  recorded = recordBridges(bridges, recorder)
  const owned = cleanup.move()
  return {
    cluster,
    namespace,
    isShared: true,
    isUp: false,
    bridges: recorded.functions,
    addressesFile: file,
    async apply(sources, abort) {
      const loaded = await loadManifests(sources, request.folder, keysOf(request, abort))
      const planned = planStandIns(loaded, { bridged: request.bridged, images: plan.images, namespace })
      checkManifests(planned.manifests, { images: plan.images, namespace })
      tell([...notesOf(loaded), ...planned.notes])
      await bringUp(await delivery.prepare(planned.manifests, abort), abort)
      if (loaded.length === 0) await cluster.access.waitForPods(abort)
    },
    fail: () => {},
    ...recordReady(recorder, diagnosis, signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
