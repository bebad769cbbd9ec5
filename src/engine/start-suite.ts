import { join } from 'node:path'

import { createBridges } from '../bridge/bridges.ts'
import type { BridgeFunctions } from '../bridge/requests.ts'
import { planStandIns } from '../bridge/stand-in.ts'
import { exposeServices } from '../cluster/network/exposed-services.ts'
import { findFreePort } from '../cluster/network/free-port.ts'
import type { K3dCluster } from '../cluster/network/k3d-access.ts'
import { listAddresses } from '../cluster/ownership/inventory.ts'
import type { SuiteCluster } from '../cluster/suite-cluster.ts'
import type { KubeObject } from '../kube/object.ts'
import { nodesOf } from '../report/bundle.ts'
import { startDiagnosis } from '../report/diagnosis.ts'
import { keepBuildLog } from '../report/keep-build-log.ts'
import type { RequestRecord } from '../report/model.ts'
import { type RecordedBridges, recordBridges } from '../report/record-bridges.ts'
import type { SuiteRecorder } from '../report/recorder.ts'
import { resetStores, resettable, saveStores } from '../seed/reset.ts'
import { prepareImages } from '../stack/images/images.ts'
import { addMounts } from '../stack/images/mounts.ts'
import { findReplaced } from '../stack/manifests/duplicates.ts'
import { type Manifest, loadManifests } from '../stack/manifests/manifests.ts'
import { waitForChecks } from '../stack/ready/ready-checks.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { randomId } from '../support/identity.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { together } from '../support/together.ts'
import { adoptServices } from './adopt-services.ts'
import { createBringUp } from './bring-up.ts'
import { claimWorkload } from './claims.ts'
import { portChoice, portInUse } from './fixed-ports.ts'
import { k3dImages } from './k3d-images.ts'
import { localImages } from './local-images.ts'
import type { EngineParts } from './parts.ts'
import { type SuitePlan, checkManifests, keysOf, notesOf, planIngress } from './plan-suite.ts'
import { noteObjects, recordReady } from './record-suite.ts'
import type { Reservation } from './reservation.ts'
import { shareCluster } from './share-cluster.ts'
import { guestSpace, wholeCluster } from './suite-space.ts'
import { createSuiteTemplates } from './templates.ts'
import { updateStack } from './update-stack.ts'

/** A cluster with its stack running and its data in it. */
export interface RunningSuite<In extends SuiteCluster = SuiteCluster> extends AsyncDisposable {
  readonly cluster: In
  readonly namespace: string
  /** Whether other suites are in the cluster too. */
  readonly isShared: boolean
  /** Whether it is a stack that was up before. */
  readonly isUp: boolean
  /** Where the addresses of its Services are at every moment. */
  readonly addressesFile: string
  readonly bridges: BridgeFunctions
  /** Folder of the suite's bundle, once something has failed. */
  readonly bundle: string | undefined
  /** What the set-up took, for people. */
  readonly setup: string
  apply(sources: ManifestSources, signal: AbortSignal): Promise<void>
  /** Told of each test that fails; the state of the cluster is written down at the first one. */
  testFailed(requests: readonly RequestRecord[]): void
  /** Says that the suite has failed. */
  fail(): void
  /** Told when all tests have ended, before the disposal. */
  finish(failed: boolean, requests: readonly RequestRecord[]): Promise<void>
}

type ManifestSources = string | KubeObject | readonly (string | KubeObject)[]

/** Milliseconds to undo what a suite has applied to a stack that is up. */
const undoTimeout = 60_000

/** The whole life of a suite in its cluster, top to bottom. Whatever fails takes everything with it, unless the cluster is kept. */
export async function startSuite(
  parts: EngineParts,
  plan: SuitePlan,
  reservation: Reservation,
  { progress, recorder }: { readonly progress: Progress; readonly recorder: SuiteRecorder },
  signal: AbortSignal,
): Promise<RunningSuite<K3dCluster>> {
  const { docker } = parts
  const { namespace, request } = plan
  const told = new Set<string>()
  const tell = (notes: readonly string[]) => {
    for (const text of notes) if (!told.has(text)) progress({ kind: 'note', step: 'apply', text })
    for (const text of notes) told.add(text)
  }
  tell(plan.notes)
  const keepLog = (name: string, log: string) => keepBuildLog(recorder, name, log)
  await using cleanup = new AsyncDisposableStack()

  const templates = createSuiteTemplates(parts, plan, progress)
  const prepare = (abort: AbortSignal) =>
    prepareImages({ ...parts, plan: plan.images, manifests: plan.manifests, keepLog, progress, signal: abort })
  const prepared = Promise.withResolvers<Awaited<ReturnType<typeof prepare>>>()
  const [started, stack] = await together(signal, [
    async (abort) => {
      const template = reservation.up ? undefined : await templates.find(prepared.promise)
      return reservation.enter(abort, { template, stack: prepared.promise })
    },
    async (abort) => {
      prepared.resolve(prepare(abort))
      return prepared.promise
    },
  ])
  const { cluster, importOnce } = started
  const { kube } = cluster
  const isShared = request.options.cluster === 'shared'
  const { up } = reservation
  const guest = up && guestSpace(cluster, namespace)
  const space =
    guest ?? (isShared ? await shareCluster(started, plan, reservation, { cleanup, progress }, signal) : wholeCluster(namespace))
  const written: KubeObject[] = []
  let declared: readonly Manifest[] = plan.manifests
  let recorded: RecordedBridges | undefined
  const outputs = async () => (await recorded?.outputs()) ?? []
  const namespaces = () => space.namespaces
  const diagnosis = cleanup.use(
    await startDiagnosis({ nodes: nodesOf(docker, cluster), cluster, recorder, namespaces, manifests: written, outputs }, signal),
  )
  const onProblem = (error: unknown) => {
    progress({ kind: 'note', step: 'services', text: messageOf(error) })
    recorded?.tell(error)
  }
  const file = join(parts.folder, `addresses-${randomId(4)}.json`)
  const chosen = portChoice(plan.ports)
  const expose = () =>
    exposeServices(cluster, {
      isOwn: (service) => space.isOwn(service),
      file,
      // Docker's own choice is another one each time that a container starts, as after a reboot.
      portOf: async (target) => chosen(target) ?? (request.up && findFreePort()),
      onPortTaken(port) {
        const fixed = plan.ports.find(({ hostPort }) => hostPort === port)
        if (fixed && request.up) throw portInUse(port, fixed.service)
        progress({ kind: 'note', step: 'services', text: `port ${port} is in use: Service "${fixed?.service ?? ''}" gets another one` })
      },
      onProblem,
    })
  const services = up
    ? await adoptServices(docker, cluster, { addresses: await listAddresses(docker, up.name), chosen, file, onProblem, progress, signal })
    : expose()
  cleanup.defer(async () => {
    if (!reservation.isKept) return services[Symbol.asyncDispose]()
    if (!guest) return request.up ? services.leave() : reservation.leave(await services.release())
    const limit = AbortSignal.timeout(undoTimeout)
    const hasApplied = await guest.undo({ suite: request.suite, signal: limit }).finally(() => services.leave())
    if (hasApplied) await updateStack(parts, request, up, progress, limit)
  })
  const addresses = () => services.addresses

  const { trackChild } = parts
  const delivery = k3dImages({ parts, plan: plan.images, started, keepLog, progress })
  const onApply = (objects: readonly KubeObject[]) => noteObjects(recorder, written, objects)
  const bringUp = createBringUp({ plan, cluster, delivery, trackChild, space, services, progress, onApply })
  const stores = resettable(request.options)
  const isNew = !up && !cluster.template
  await bringUp({ ...stack, seeds: isNew ? plan.seeds : [] }, signal)
  if (up && stores.length > 0)
    await runStep(progress, 'seed', `reset of ${formatList(stores)}`, () =>
      resetStores(stores, { kube, namespace, signal }).catch((cause: unknown) => {
        if (!(cause instanceof ClusterTestError) || cause.code !== 'ERR_SEED_RESET_FAILED') throw cause
        const hint = `A test has changed the schema, or the pod was replaced. Make the stack anew: npx vitest-kubernetes up ${up.stack.name} --recreate`
        throw new ClusterTestError(cause.code, cause.message, { cause, hint })
      }),
    )
  await waitForChecks(request.options.ready ?? {}, { kube, namespace, addresses, progress, signal })
  if (isNew) {
    await saveStores(stores, { kube, namespace, signal })
    await templates.save(cluster, stack, signal)
  }
  guest?.settle()

  const claims = cleanup.use(new AsyncDisposableStack())
  // The last one in: bridges end before what they lead to.
  const prepareImage = localImages(parts, request.folder, { keepLog, progress })
  const bridges = cleanup.use(
    createBridges({
      ...{ ...parts, namespace, addresses, addressesFile: file, prepareImage, progress },
      // What is started for one goes with this run, also where the cluster stays.
      cluster: { ...cluster, labels: up ? parts.owner.labels : cluster.labels },
    }),
  )
  recorded = recordBridges(
    {
      ...bridges,
      async openBridge(wanted, abort) {
        if (up) claims.use(await claimWorkload(parts, up.name, wanted.workload, wanted.namespace ?? namespace))
        return bridges.openBridge(wanted, abort)
      },
    },
    recorder,
  )
  const bringMoreUp = async (loaded: readonly Manifest[], abort: AbortSignal): Promise<void> => {
    const { bridged } = request
    const ingress = planIngress(declared, loaded, request, namespace)
    const images = ingress.withImage(plan.images)
    const planned = planStandIns(addMounts([...loaded, ...ingress.controller], plan.mounts), { bridged, images, namespace })
    checkManifests(planned.manifests, { images, namespace })
    tell([...notesOf(loaded), ...ingress.notes, ...planned.notes])
    const { imported } = importOnce
    const more = { ...parts, plan: images, manifests: planned.manifests, imported, keepLog, progress, signal: abort }
    await bringUp(await prepareImages(more), abort)
  }
  const owned = cleanup.move()
  return {
    cluster,
    namespace,
    isShared,
    isUp: up !== undefined,
    bridges: recorded.functions,
    addressesFile: file,
    async apply(sources, abort) {
      const loaded = await loadManifests(sources, request.folder, keysOf(request, abort))
      if (loaded.length === 0) {
        await bringUp({ images: [], manifests: [] }, abort)
        return cluster.access.waitForPods(abort)
      }
      // At once: who applies something meanwhile has to know of it.
      const replaced = findReplaced(declared, loaded, namespace)
      declared = [...declared.filter((each) => !replaced.includes(each)), ...loaded]
      try {
        await bringMoreUp(loaded, abort)
      } catch (error) {
        // What was refused would be refused again with all that is applied later.
        declared = [...declared.filter((each) => !loaded.includes(each)), ...replaced]
        throw error
      }
    },
    fail: () => reservation.fail(),
    ...recordReady(recorder, diagnosis, signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
