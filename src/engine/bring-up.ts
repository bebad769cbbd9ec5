import { type StandIn, fillStandIns } from '../bridge/stand-in.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { ExposedServices } from '../cluster/network/exposed-services.ts'
import { listServices } from '../cluster/network/service-targets.ts'
import type { SuiteCluster } from '../cluster/suite-cluster.ts'
import { describeObject, isWorkload } from '../kube/kinds.ts'
import type { KubeObject } from '../kube/object.ts'
import type { Service } from '../kube/types.ts'
import { parseWorkload } from '../kube/workload.ts'
import type { PlannedSeed } from '../seed/plan-seeds.ts'
import { runSeed } from '../seed/run-seed.ts'
import type { LocalImage } from '../stack/images/images.ts'
import { applyLater } from '../stack/manifests/apply-later.ts'
import { applyManifests } from '../stack/manifests/apply.ts'
import { belongTo } from '../stack/manifests/belong-to.ts'
import type { Manifest } from '../stack/manifests/manifests.ts'
import { expectsEndpoints, selects } from '../stack/manifests/workloads.ts'
import { describeReadiness } from '../stack/ready/explain-failure.ts'
import type { Work } from '../stack/ready/may-help.ts'
import { type WaitOptions, waitForReady } from '../stack/ready/wait.ts'
import { counted } from '../support/format.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { together } from '../support/together.ts'
import type { EngineParts } from './parts.ts'
import type { SuitePlan } from './plan-suite.ts'
import { type Releases, planReleases } from './releases.ts'
import type { SuiteSpace } from './suite-space.ts'
import { waitForRoutes } from './wait-for-routes.ts'

export interface BringUpOptions {
  readonly plan: SuitePlan
  readonly cluster: SuiteCluster & Partial<Pick<Cluster, 'template'>>
  readonly delivery: ImageDelivery
  readonly trackChild: EngineParts['trackChild']
  readonly space: SuiteSpace
  readonly services: ExposedServices
  readonly progress: Progress
  /** Told of the objects just before they are applied. */
  readonly onApply: (objects: readonly KubeObject[]) => void
}

/** How images come to where pods run. */
export interface ImageDelivery {
  /** Builds and finds what the manifests need, and resolves to those with the names that pods are to use. */
  prepare(manifests: readonly Manifest[], signal: AbortSignal): Promise<StackPart>
  bring(images: readonly LocalImage[], signal: AbortSignal): Promise<void>
  /** Of what does nothing, in place of an image that is bridged. */
  standIn(signal: AbortSignal): Promise<StandIn>
}

/** What is to run: manifests with their images chosen, Helm releases, and data. */
export interface StackPart {
  readonly images: readonly LocalImage[]
  /** Those of the suite's charts are installed by Helm. */
  readonly manifests: readonly Manifest[]
  /** @default [] */
  readonly seeds?: SuitePlan['seeds']
}

/** Makes a function that brings a stage up in a suite's cluster: when it resolves, everything is ready, has its data and can be reached. */
export function createBringUp({ plan, cluster, delivery, trackChild, space, services, progress, onApply }: BringUpOptions) {
  const { namespace } = plan
  const refused = new Set<string>()

  return async ({ images, manifests: everything, seeds = [] }: StackPart, signal: AbortSignal): Promise<void> => {
    const all = everything.filter(({ isCommon }) => !isCommon)
    const manifests = all.filter(({ chart }) => !chart)
    const releases = await releasesOf(
      all.filter(({ chart }) => chart),
      signal,
    )
    await delivery.bring(images, signal)
    if (manifests.length === 0 && !releases) return updateServices(signal)
    await space.claim(all, signal)
    const filled = await fillStandIns(manifests, () => delivery.standIn(signal))
    onApply(filled.map(({ object }) => object))
    const common = everything.filter(({ isCommon }) => isCommon)
    await applyManifests(cluster.kube, common, namespace, signal)
    const { objects, refused } = await runStep(progress, 'apply', counted(manifests.length, 'object'), () =>
      applyManifests(cluster.kube, own(filled), namespace, signal),
    )
    space.record(objects)
    const expected = [...objects, ...(releases?.objects ?? [])]
    const later = applyLater(cluster.kube, refused, namespace, (object) => {
      space.record([object])
      expected.push(object)
    })
    const unfinished = new Set(seeds.flat())
    const work = () => [...workOf(seeds, unfinished, expected), ...(releases?.work() ?? [])]
    await together(signal, [
      (abort) => waitForAll(expected, { work, refused: () => later.refused }, abort),
      (abort) => later.run(abort),
      async (abort) => releases?.install(abort),
      async (abort) => {
        for (const stage of seeds)
          await together(
            abort,
            stage.map((planned) => async (one: AbortSignal) => {
              await seed(planned, expected, one)
              unfinished.delete(planned)
            }),
          )
      },
    ])
    await waitForRules(expected, (service) => expectsEndpoints(service, expected), signal)
    await updateServices(signal)
  }

  function own(manifests: readonly Manifest[]): readonly Manifest[] {
    return manifests.map((manifest) => ({ ...manifest, object: belongTo(manifest.object, space.owner) }))
  }

  async function updateServices(signal: AbortSignal): Promise<void> {
    await services.update(signal)
    await waitForRoutes(cluster.kube, services.addresses, { refused, progress, signal })
  }

  async function releasesOf(prepared: readonly Manifest[], signal: AbortSignal): Promise<Releases | undefined> {
    const charts = plan.charts.filter(({ release }) => prepared.some(({ chart }) => chart?.release === release))
    if (charts.length === 0) return undefined
    const filled = await fillStandIns(prepared, () => delivery.standIn(signal))
    return planReleases({ charts, manifests: filled, owner: space.owner, cluster, trackChild, progress })
  }

  async function waitForRules(expected: readonly KubeObject[], isMeant: (service: Service) => boolean, signal: AbortSignal): Promise<void> {
    const own = (await listServices(cluster, signal)).filter((service) => expected.some((object) => isSame(object, service)))
    await cluster.access.waitForServices(own.filter(isMeant), signal)
  }

  function waitForAll(applied: readonly KubeObject[], besides: Pick<WaitOptions, 'work' | 'refused'>, signal: AbortSignal): Promise<void> {
    const workloads = applied.filter(isWorkload)
    const what = workloads.length === 1 ? describeObject(workloads[0]!) : `${workloads.length} workloads`
    return runStep(progress, 'wait', `${what} ready`, () =>
      waitForReady(cluster.kube, applied, {
        ...besides,
        signal,
        namespaces: () => space.namespaces,
        onChange: (pending) => progress({ kind: 'start', step: 'wait', text: pending.map(describeReadiness).join('; ') }),
      }),
    )
  }

  /** As soon as the workload itself is ready: others may need its data before they are. */
  async function seed(planned: PlannedSeed, expected: readonly KubeObject[], signal: AbortSignal): Promise<void> {
    const object = workloadOf(planned, expected)
    // Whether it ever will be is for the wait for all of them to say.
    if (object) await waitForReady(cluster.kube, [object], { signal, work: () => [{ after: [] }], namespaces: () => space.namespaces })
    await waitForRules(expected, (service) => object !== undefined && selects(service, object), signal)
    await services.update(signal)
    await runSeed(planned, { kube: cluster.kube, namespace, addresses: services.addresses, applyJob, progress, signal })
  }

  async function applyJob(manifests: readonly Manifest[], signal: AbortSignal): Promise<void> {
    const job = await delivery.prepare(manifests, signal)
    await delivery.bring(job.images, signal)
    await space.claim(job.manifests, signal)
    const { objects, refused } = await applyManifests(cluster.kube, own(job.manifests), namespace, signal)
    if (refused.length > 0) throw refused[0]!.error
    space.record(objects)
    await waitForReady(cluster.kube, objects, { signal, namespaces: () => space.namespaces })
  }
}

/** Seeds come stage by stage, each after its workload: until then it helps nobody. */
function workOf(stages: SuitePlan['seeds'], unfinished: ReadonlySet<PlannedSeed>, expected: readonly KubeObject[]): readonly Work[] {
  return stages.flatMap((stage, index) =>
    stage.some((planned) => unfinished.has(planned))
      ? [
          {
            after: stages
              .slice(0, index + 1)
              .flat()
              .flatMap((planned) => workloadOf(planned, expected) ?? []),
          },
        ]
      : [],
  )
}

function workloadOf(planned: PlannedSeed, expected: readonly KubeObject[]): KubeObject | undefined {
  const { kind, name } = parseWorkload(planned.workload)
  return expected.find((each) => each.kind === kind && each.metadata.name === name)
}

function isSame({ kind, metadata }: KubeObject, service: Service): boolean {
  return kind === 'Service' && metadata.name === service.metadata?.name && metadata.namespace === service.metadata.namespace
}
