import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'

import { type Bridges, createBridges } from '../bridge/bridges.ts'
import { type Cluster, startCluster } from '../cluster/cluster.ts'
import { type Gateway, type ServiceAddress, listServices, startGateway } from '../cluster/gateway.ts'
import type { K3d } from '../cluster/k3d.ts'
import type { Owner } from '../cluster/owner.ts'
import { waitForServiceRules } from '../cluster/service-rules.ts'
import type { Docker } from '../docker/docker.ts'
import type { KubeObject, Service } from '../kube/types.ts'
import { parseWorkload } from '../kube/workload.ts'
import { findDatabase } from '../seed/database.ts'
import { seedSql } from '../seed/seed-sql.ts'
import { applyManifests } from '../stack/apply.ts'
import type { ImageSubstitutes } from '../stack/image-names.ts'
import { planImages, prepareImages } from '../stack/images.ts'
import { importImages } from '../stack/import-images.ts'
import { type Manifest, loadManifests } from '../stack/manifests.ts'
import { describeReadiness, waitForReady } from '../stack/wait.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { type Progress, runStep } from '../support/progress.ts'
import type { LeaseRequest } from './protocol.ts'

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
  /** Of all Services that were there when it was last asked to look. */
  readonly addresses: readonly ServiceAddress[]
  readonly bridges: Bridges
  apply(sources: string | KubeObject | readonly (string | KubeObject)[], signal: AbortSignal): Promise<void>
}

/** What a suite asks for, read and checked before anything is created. */
export interface SuitePlan {
  readonly request: LeaseRequest
  readonly manifests: readonly Manifest[]
  readonly images: Awaited<ReturnType<typeof planImages>>
  readonly seeds: readonly { readonly workload: string; readonly files: readonly string[] }[]
}

const namespace = 'default'

/** @throws ClusterTestError for every path that does not exist and every manifest that cannot be one */
export async function planSuite(request: LeaseRequest): Promise<SuitePlan> {
  const { folder, options } = request
  const seeds = Object.entries(options.seed ?? {}).map(([workload, files]) => ({
    workload,
    files: [files].flat().map((file) => resolve(folder, file)),
  }))
  for (const { files } of seeds) for (const file of files) await checkSeedFile(file)
  return {
    request,
    seeds,
    manifests: await loadManifests(options.manifests ?? [], folder),
    images: await planImages(options.images, folder),
  }
}

async function checkSeedFile(file: string): Promise<void> {
  const isFile = await stat(file).then(
    (stats) => stats.isFile(),
    () => false,
  )
  if (!isFile)
    throw new ClusterTestError('ERR_SEED_NOT_FOUND', `Seed "${file}" does not exist or is no file.`, {
      hint: 'Paths in "seed" are relative to the test file.',
    })
}

/** The whole set-up of a suite, top to bottom. Whatever fails takes everything with it. */
export async function startSuite(engine: EngineParts, plan: SuitePlan, progress: Progress, signal: AbortSignal): Promise<RunningSuite> {
  const { docker, k3d, owner, folder } = engine
  const { suite, options } = plan.request
  await using cleanup = new AsyncDisposableStack()

  const prepare = (manifests: readonly Manifest[], images: SuitePlan['images'], abort: AbortSignal) =>
    prepareImages({ ...engine, plan: images, manifests, labels: { 'vitest-kubernetes.image': 'build' }, progress, signal: abort })
  const [cluster, stack] = await together(signal, [
    async (abort) => {
      const { nodeImage, agents, k3sArgs, memory } = options
      return cleanup.use(
        await startCluster({
          label: suite,
          docker,
          k3d,
          owner,
          folder,
          image: nodeImage ?? engine.nodeImage,
          agents,
          k3sArgs,
          memory,
          progress,
          signal: abort,
        }),
      )
    },
    (abort) => prepare(plan.manifests, plan.images, abort),
  ])

  const gateways: Gateway[] = []
  const addresses = () => gateways.flatMap((gateway) => gateway.addresses)
  /** Gives host addresses to the Services that have none yet. */
  const expose = async (abort: AbortSignal) => {
    const known = new Set(addresses().map(keyOf))
    const services = (await listServices(cluster, abort)).filter(
      ({ metadata }) => !known.has(keyOf({ namespace: metadata!.namespace!, service: metadata!.name! })),
    )
    gateways.push(cleanup.use(await startGateway(docker, cluster, services, abort)))
  }
  const bringUp = async (
    manifests: readonly Manifest[],
    images: Awaited<ReturnType<typeof prepare>>['images'],
    seeds: SuitePlan['seeds'],
    abort: AbortSignal,
  ) => {
    if (images.length > 0) {
      await runStep(
        progress,
        'import',
        `${formatList(
          images.map(({ reference }) => reference),
          4,
        )} into ${cluster.nodes.length === 1 ? 'the node' : `${cluster.nodes.length} nodes`}`,
        () => importImages(docker, cluster, images, abort),
      )
    }
    if (manifests.length === 0) return
    const applied = await runStep(progress, 'apply', `${manifests.length} objects`, () =>
      applyManifests(cluster.kube, manifests, namespace, abort),
    )
    const services = (await listServices(cluster, abort)).filter((service) =>
      applied.some(
        ({ kind, metadata }) =>
          kind === 'Service' && metadata.name === service.metadata?.name && metadata.namespace === service.metadata.namespace,
      ),
    )
    let isSeeding = seeds.length > 0
    await together(abort, [
      (each) =>
        runStep(progress, 'wait', `${formatList(applied.filter(isWorkload).map(nameOf), 6)} ready`, () =>
          waitForReady(cluster.kube, applied, {
            signal: each,
            mayCrash: () => isSeeding,
            onChange: (pending) => progress({ kind: 'start', step: 'wait', text: pending.map(describeReadiness).join('; ') }),
          }),
        ),
      async (each) => {
        for (const { workload, files } of seeds) await seed(workload, files, applied, services, each)
        isSeeding = false
      },
    ])
    await waitForServiceRules(docker, cluster, services.filter(hasEndpoints(applied)), abort)
    await expose(abort)
  }
  const seed = async (
    workload: string,
    files: readonly string[],
    applied: readonly KubeObject[],
    services: readonly Service[],
    abort: AbortSignal,
  ) => {
    const { kind, name } = parseWorkload(workload)
    const object = applied.find((each) => each.kind === kind && each.metadata.name === name)
    if (object) await waitForReady(cluster.kube, [object], { signal: abort })
    await waitForServiceRules(
      docker,
      cluster,
      services.filter((service) => object && selects(service, object)),
      abort,
    )
    await expose(abort)
    const database = await findDatabase(workload, { kube: cluster.kube, namespace, addresses: addresses(), signal: abort })
    for (const file of files) {
      await runStep(
        progress,
        'seed',
        file.slice(plan.request.folder.length + 1),
        () => seedSql(database, file, plan.request.folder, abort),
        ({ statements, rows }) => `${workload}: ${statements} statements, ${rows} rows`,
      )
    }
  }

  await bringUp(stack.manifests, stack.images, plan.seeds, signal)
  const bridges = cleanup.use(
    createBridges({
      docker,
      cluster,
      namespace,
      addresses,
      trackChild: engine.trackChild,
      progress,
      async prepareImage(image, abort) {
        const images = typeof image === 'string' ? [image] : { 'local-container': image }
        return (await prepare([], await planImages(images, plan.request.folder), abort)).images[0]!.reference
      },
    }),
  )
  const owned = cleanup.move()
  return {
    cluster,
    namespace,
    bridges,
    get addresses() {
      return addresses()
    },
    async apply(sources, abort) {
      const { manifests, images } = await prepare(await loadManifests(sources, plan.request.folder), plan.images, abort)
      await bringUp(manifests, images, [], abort)
    },
    [Symbol.asyncDispose]: () => runStep(progress, 'teardown', `cluster "${cluster.name}"`, () => owned.disposeAsync()),
  }
}

/** Runs all at the same time. When one fails the others are cancelled, and waited for, so that nothing goes on behind the error. */
async function together<T extends readonly unknown[]>(
  signal: AbortSignal,
  works: { readonly [K in keyof T]: (signal: AbortSignal) => Promise<T[K]> },
): Promise<T> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  let first: { readonly error: unknown } | undefined
  const results = await Promise.allSettled(
    works.map(async (work) => {
      try {
        return await work(both)
      } catch (error) {
        first ??= { error }
        stop.abort(error)
        throw error
      }
    }),
  )
  if (first) throw first.error
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T
}

function keyOf({ namespace, service }: { readonly namespace: string; readonly service: string }): string {
  return `${namespace}/${service}`
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind.toLowerCase()}/${metadata.name}`
}

function isWorkload({ kind }: KubeObject): boolean {
  return ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'Pod'].includes(kind)
}

function selects({ metadata, spec }: Service, workload: KubeObject): boolean {
  const template =
    workload.kind === 'Pod'
      ? workload
      : (workload as { spec?: { template?: { metadata?: { labels?: Record<string, string> } } } }).spec?.template
  const labels = (template as { metadata?: { labels?: Readonly<Record<string, string>> } } | undefined)?.metadata?.labels ?? {}
  const selector = Object.entries(spec?.selector ?? {})
  return (
    metadata?.namespace === (workload.metadata.namespace ?? namespace) &&
    selector.length > 0 &&
    selector.every(([key, value]) => labels[key] === value)
  )
}

/** Services whose workloads run: one without a selector, or scaled to none, has no rules to wait for. */
function hasEndpoints(applied: readonly KubeObject[]): (service: Service) => boolean {
  const replicas = (workload: KubeObject) => (workload as { spec?: { replicas?: number } }).spec?.replicas ?? 1
  return (service) =>
    applied.some((workload) => isWorkload(workload) && workload.kind !== 'Job' && selects(service, workload) && replicas(workload) > 0)
}
