import { relative, resolve } from 'node:path'

import { createBridges } from '../bridge/bridges.ts'
import { checkStandIns, fillStandIns, planStandIns } from '../bridge/stand-in.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { exposeServices } from '../cluster/exposed-services.ts'
import { type ServiceAddress, listServices } from '../cluster/gateway.ts'
import type { K3d } from '../cluster/k3d.ts'
import type { Owner } from '../cluster/owner.ts'
import { readPauseImage } from '../cluster/pause-image.ts'
import { waitForServiceRules } from '../cluster/service-rules.ts'
import type { Docker } from '../docker/docker.ts'
import type { KubeObject, Service } from '../kube/types.ts'
import { parseWorkload } from '../kube/workload.ts'
import { startDiagnosis } from '../report/diagnosis.ts'
import type { RequestRecord } from '../report/model.ts'
import { type RecordedBridges, recordBridges } from '../report/record-bridges.ts'
import type { SuiteRecorder } from '../report/recorder.ts'
import { formatTimes } from '../report/timings.ts'
import { type PlannedSeed, planSeeds } from '../seed/plan-seeds.ts'
import { resettable, saveStores } from '../seed/reset.ts'
import { runSeed } from '../seed/run-seed.ts'
import { applyManifests } from '../stack/apply.ts'
import { type ChartPlan, namespacesOf, planCharts } from '../stack/charts.ts'
import type { ImageSubstitutes } from '../stack/image-names.ts'
import { type LocalImage, planImages, prepareImages } from '../stack/images.ts'
import { renderKustomize } from '../stack/kustomize.ts'
import { type Manifest, loadManifests } from '../stack/manifests.ts'
import { type HostMount, addMounts, checkMounts, planMounts } from '../stack/mounts.ts'
import type { ImageBuild } from '../stack/options.ts'
import { waitForChecks } from '../stack/ready-checks.ts'
import { loadSecrets } from '../stack/secrets.ts'
import { checkNames } from '../stack/services/check-services.ts'
import { serviceManifests } from '../stack/services/service-manifests.ts'
import type { DecryptOptions } from '../stack/sops.ts'
import { describeReadiness, waitForReady } from '../stack/wait.ts'
import { describeObject, expectsEndpoints, isWorkload, selects } from '../stack/workloads.ts'
import { randomId, slug } from '../support/identity.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { together } from '../support/together.ts'
import type { PooledCluster } from './pool-entry.ts'
import type { Place } from './pool.ts'
import type { LeaseRequest } from './protocol.ts'
import { type Releases, planReleases } from './releases.ts'
import { type SuiteSpace, createSuiteSpace, wholeCluster } from './suite-space.ts'

/** What every suite of a run shares. */
export interface EngineParts {
  readonly docker: Docker
  readonly k3d: K3d
  readonly owner: Owner
  /** Private folder of the run. */
  readonly folder: string
  readonly nodeImage: string | undefined
  readonly substitutes: ImageSubstitutes
  readonly buildNetwork: string | undefined
  /** Told of every process that must not outlive the run; a negative number stands for a process group. */
  readonly trackChild: (event: 'started' | 'ended', pid: number) => void
}

/** A cluster with its stack running and its data in it. */
export interface RunningSuite extends AsyncDisposable {
  readonly cluster: Cluster
  readonly namespace: string
  /** Whether other suites are in the cluster too. */
  readonly isShared: boolean
  /** Of all Services that were there after the last apply. */
  readonly addresses: readonly ServiceAddress[]
  readonly bridges: Pick<RecordedBridges, 'handle'>
  /** Folder of the suite's bundle, once something has failed. */
  readonly bundle: string | undefined
  /** What the set-up took, for people. */
  readonly setup: string
  apply(sources: ManifestSources, signal: AbortSignal): Promise<void>
  /** Told of each test that fails; the state of the cluster is written down at the first one. */
  testFailed(requests: readonly RequestRecord[]): void
  /** Told when all tests have ended, before the disposal. */
  finish(failed: boolean, requests: readonly RequestRecord[]): Promise<void>
}

/** What a suite asks for, read and checked before anything is created. */
export interface SuitePlan {
  readonly request: LeaseRequest
  /** Where objects go that name none. */
  readonly namespace: string
  readonly manifests: readonly Manifest[]
  readonly charts: readonly ChartPlan[]
  /** What the charts render to. */
  readonly rendered: readonly Manifest[]
  readonly images: Awaited<ReturnType<typeof planImages>>
  readonly seeds: readonly (readonly PlannedSeed[])[]
  readonly mounts: readonly HostMount[]
  /** What the user has to know of it. */
  readonly notes: readonly string[]
}

type ManifestSources = string | KubeObject | readonly (string | KubeObject)[]

/** @throws ClusterTestError for every path that does not exist and every manifest that cannot be one */
export async function planSuite(request: LeaseRequest, runFolder: string, signal: AbortSignal): Promise<SuitePlan> {
  const { options, bridged, suite } = request
  const folder = resolve(request.folder, options.folder ?? '.')
  const namespace = options.cluster === 'shared' ? `${slug(suite, 40)}-${randomId(2)}` : 'default'
  const seeds = await planSeeds(options, folder)
  const images = await planImages(options.images, folder)
  const keys = keysOf(request, signal)
  const ofServices = Object.entries(options.services ?? {}).flatMap(([name, service]) => serviceManifests(name, service, namespace))
  const ofFiles = (
    await Promise.all([
      loadSecrets(options.secrets, folder, keys),
      loadManifests(options.manifests ?? [], folder, keys),
      renderKustomize(options.kustomize, folder, signal),
    ])
  ).flat()
  const charts = await planCharts(options.charts, { ...keys, folder, runFolder, namespace })
  const rendered = charts.flatMap(({ manifests }) => manifests)
  checkNames([...ofFiles, ...rendered], ofServices, namespace)
  const loaded = [...ofServices, ...ofFiles, ...namespacesOf(options.charts, ofFiles)]
  const everything = [...loaded, ...rendered]
  const mounts = await planMounts(options.mount, folder)
  checkMounts(mounts, everything)
  checkStandIns(everything, { bridged, namespace })
  const { manifests, notes } = planStandIns(addMounts(everything, mounts), { bridged, images, namespace })
  return {
    ...{ request, namespace, seeds, images, mounts, charts, notes },
    manifests: manifests.slice(0, loaded.length),
    rendered: manifests.slice(loaded.length),
  }
}

/** Where sops finds its keys. */
function keysOf({ folder, options }: LeaseRequest, signal: AbortSignal): DecryptOptions {
  const ageKeyFile = options.sops?.ageKeyFile
  return { signal, ...(ageKeyFile === undefined ? {} : { ageKeyFile: resolve(folder, options.folder ?? '.', ageKeyFile) }) }
}

/** The whole life of a suite in its cluster, top to bottom. Whatever fails takes everything with it, unless the cluster is kept. */
export async function startSuite(
  parts: EngineParts,
  plan: SuitePlan,
  place: Place,
  { progress, recorder }: { readonly progress: Progress; readonly recorder: SuiteRecorder },
  signal: AbortSignal,
): Promise<RunningSuite> {
  const { docker } = parts
  const { namespace } = plan
  const { folder, bridged } = plan.request
  tell(plan.notes)
  await using cleanup = new AsyncDisposableStack()

  const [pooled, stack] = await together(signal, [
    (abort) => place.enter(abort),
    (abort) => prepareImages({ ...parts, plan: plan.images, manifests: [...plan.manifests, ...plan.rendered], progress, signal: abort }),
  ])
  const { cluster, importOnce } = pooled
  const isShared = plan.request.options.cluster === 'shared'
  const space = isShared ? await shareCluster(pooled, plan, place, cleanup, signal) : wholeCluster(namespace)
  const written: KubeObject[] = []
  let recorded: RecordedBridges | undefined
  const outputs = async () => (await recorded?.outputs()) ?? []
  const namespaces = () => space.namespaces
  const diagnosis = cleanup.use(await startDiagnosis({ docker, cluster, recorder, namespaces, manifests: written, outputs }, signal))
  const services = exposeServices(docker, cluster, (service) => space.isOwn(service))
  cleanup.defer(() => (place.isKept ? undefined : services[Symbol.asyncDispose]()))
  let exposing: Promise<void> = Promise.resolve()
  await bringUp(
    stack.images,
    stack.manifests.slice(0, plan.manifests.length),
    plan.seeds,
    signal,
    await releasesOf(stack.manifests.slice(plan.manifests.length)),
  )
  await waitForChecks(plan.request.options.ready ?? {}, {
    kube: cluster.kube,
    namespace,
    addresses: () => services.addresses,
    progress,
    signal,
  })
  await saveStores(resettable(plan.request.options), { kube: cluster.kube, namespace, signal })

  const addresses = () => services.addresses
  // The last one in: bridges end before what they lead to.
  const bridges = cleanup.use(createBridges({ ...parts, cluster, namespace, addresses, prepareImage: prepareLocalImage, progress }))
  recorded = recordBridges(bridges, recorder)
  const owned = cleanup.move()
  recorder.record.ready = Date.now()
  return {
    cluster,
    namespace,
    isShared,
    bridges: recorded,
    bundle: recorder.folder,
    setup: formatTimes(recorder.record),
    get addresses() {
      return services.addresses
    },
    async apply(sources, abort) {
      const loaded = await loadManifests(sources, folder, keysOf(plan.request, abort))
      const { manifests, notes } = planStandIns(addMounts(loaded, plan.mounts), {
        bridged,
        images: plan.images,
        namespace,
      })
      tell(notes)
      const more = await prepareImages({
        ...parts,
        plan: plan.images,
        manifests,
        imported: importOnce.imported,
        progress,
        signal: abort,
      })
      await bringUp(more.images, more.manifests, [], abort)
    },
    testFailed(requests) {
      recorder.addRequests(requests)
      void diagnosis.collect()
    },
    async finish(failed, requests) {
      recorder.addRequests(requests)
      recorder.record.finished = Date.now()
      if (failed && !signal.aborted) await diagnosis.collect()
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }

  function tell(notes: readonly string[]): void {
    for (const text of notes) progress({ kind: 'note', step: 'bridge', text })
  }

  async function bringUp(
    images: readonly LocalImage[],
    manifests: readonly Manifest[],
    seeds: readonly (readonly PlannedSeed[])[],
    abort: AbortSignal,
    releases?: Releases,
  ): Promise<void> {
    await importOnce(images, progress, abort)
    if (manifests.length === 0 && !releases) return
    await space.claim([...manifests, ...(releases ? plan.rendered : [])], abort)
    const filled = await fillStandIns(manifests, () => readPauseImage(docker, cluster, abort))
    noteManifests(filled.map(({ object }) => object))
    const applied = await runStep(progress, 'apply', `${manifests.length} objects`, () =>
      applyManifests(cluster.kube, filled, namespace, abort),
    )
    space.record(applied)
    const expected = [...applied, ...(releases?.objects ?? [])]
    const listOwn = async (each: AbortSignal) =>
      (await listServices(cluster, each)).filter((service) => expected.some((object) => isSame(object, service)))
    let isSeeding = seeds.length > 0
    await together(abort, [
      (each) => waitForAll(expected, () => isSeeding || releases?.mayCrash() === true, each),
      async (each) => releases?.install(each),
      async (each) => {
        for (const stage of seeds)
          await together(
            each,
            stage.map((planned) => (one: AbortSignal) => seed(planned, expected, listOwn, one)),
          )
        isSeeding = false
      },
    ])
    await waitForServiceRules(
      docker,
      cluster,
      (await listOwn(abort)).filter((service) => expectsEndpoints(service, expected)),
      abort,
    )
    await exposeOnce(abort)
  }

  async function releasesOf(prepared: readonly Manifest[]): Promise<Releases | undefined> {
    if (plan.charts.length === 0) return undefined
    const filled = await fillStandIns(prepared, () => readPauseImage(docker, cluster, signal))
    return planReleases({ charts: plan.charts, planned: plan.rendered, prepared: filled, cluster, trackChild: parts.trackChild, progress })
  }

  function noteManifests(objects: readonly KubeObject[]): void {
    written.push(...objects)
    for (const { metadata } of objects) for (const name of [metadata.name, metadata.namespace]) if (name) recorder.addName(name)
  }

  /** One after the other, since seeds of several workloads run at the same time. */
  function exposeOnce(abort: AbortSignal): Promise<void> {
    exposing = exposing.catch(() => undefined).then(() => services.update(abort))
    return exposing
  }

  async function prepareLocalImage(image: string | ImageBuild, abort: AbortSignal): Promise<string> {
    const images = await planImages(typeof image === 'string' ? [image] : { 'local-container': image }, folder)
    const prepared = await prepareImages({ ...parts, plan: images, manifests: [], progress, signal: abort })
    return prepared.images[0]!.reference
  }

  function waitForAll(applied: readonly KubeObject[], mayCrash: () => boolean, abort: AbortSignal): Promise<void> {
    const workloads = applied.filter(isWorkload)
    const what = workloads.length === 1 ? describeObject(workloads[0]!) : `${workloads.length} workloads`
    return runStep(progress, 'wait', `${what} ready`, () =>
      waitForReady(cluster.kube, applied, {
        signal: abort,
        mayCrash,
        namespaces: () => space.namespaces,
        onChange: (pending) => progress({ kind: 'start', step: 'wait', text: pending.map(describeReadiness).join('; ') }),
      }),
    )
  }

  /** As soon as the workload itself is ready: others may need its data before they are. */
  async function seed(
    planned: PlannedSeed,
    applied: readonly KubeObject[],
    listOwn: (signal: AbortSignal) => Promise<readonly Service[]>,
    abort: AbortSignal,
  ): Promise<void> {
    const { kind, name } = parseWorkload(planned.workload)
    const object = applied.find((each) => each.kind === kind && each.metadata.name === name)
    if (object) await waitForReady(cluster.kube, [object], { signal: abort, mayCrash: () => true, namespaces: () => space.namespaces })
    await waitForServiceRules(
      docker,
      cluster,
      (await listOwn(abort)).filter((service) => object && selects(service, object)),
      abort,
    )
    await exposeOnce(abort)
    await runSeed(planned, { kube: cluster.kube, namespace, addresses: services.addresses, applyJob, progress, signal: abort })
  }

  async function applyJob(manifests: readonly Manifest[], abort: AbortSignal): Promise<void> {
    const job = await prepareImages({ ...parts, plan: plan.images, manifests, progress, signal: abort })
    await importOnce(job.images, progress, abort)
    await space.claim(job.manifests, abort)
    const applied = await applyManifests(cluster.kube, job.manifests, namespace, abort)
    space.record(applied)
    await waitForReady(cluster.kube, applied, { signal: abort, namespaces: () => space.namespaces })
  }
}

/** A namespace of the suite's own. It goes when the suite does, while others may start. */
async function shareCluster(
  pooled: PooledCluster,
  { request, namespace }: SuitePlan,
  place: Place,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<SuiteSpace> {
  const { cluster, claims } = pooled
  const { suite, file } = request
  const owner = { suite, file: relative(process.cwd(), file) }
  const space = await createSuiteSpace(cluster, { namespace, claims, owner, signal })
  cleanup.defer(() => {
    if (place.isKept) return
    const limit = (stop: AbortSignal) => AbortSignal.any([stop, AbortSignal.timeout(removalTimeout)])
    const outside = pooled.inBackground((stop) => space.removeOutside(limit(stop)))
    const namespaces = pooled.inBackground((stop) => space.removeNamespaces(limit(stop)))
    claims.release(owner, (key) => (key.startsWith('Namespace ') ? namespaces : outside))
  })
  return space
}

/** Milliseconds for the objects of a suite to go: something may hold them by a finalizer. */
const removalTimeout = 60_000

function isSame({ kind, metadata }: KubeObject, service: Service): boolean {
  return kind === 'Service' && metadata.name === service.metadata?.name && metadata.namespace === service.metadata.namespace
}
