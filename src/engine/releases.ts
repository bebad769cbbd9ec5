import type { Cluster } from '../cluster/cluster.ts'
import type { SuiteCluster } from '../cluster/suite-cluster.ts'
import { isWorkload, kindOf } from '../kube/kinds.ts'
import type { OwnerReference } from '../kube/lineage.ts'
import type { KubeObject } from '../kube/object.ts'
import { podTemplate } from '../kube/pod-template.ts'
import type { ChartPlan } from '../stack/charts/charts.ts'
import { installChart } from '../stack/charts/install-chart.ts'
import { type PostRender, isHook, objectKey } from '../stack/charts/post-render.ts'
import type { Manifest } from '../stack/manifests/manifests.ts'
import { type Container, mapContainers } from '../stack/manifests/pod-spec.ts'
import type { Work } from '../stack/ready/may-help.ts'
import { type Progress, runStep } from '../support/progress.ts'
import { together } from '../support/together.ts'

export interface ReleasesOptions {
  readonly charts: readonly ChartPlan[]
  /** What the charts render to, with stand-ins, mounts and images in place. */
  readonly manifests: readonly Manifest[]
  /** What all objects of the releases belong to. */
  readonly owner: OwnerReference | undefined
  readonly cluster: SuiteCluster & Partial<Pick<Cluster, 'template'>>
  readonly trackChild: (event: 'started' | 'ended', pid: number) => void
  readonly progress: Progress
}

/** The Helm releases of a suite. */
export interface Releases {
  /** The workloads and Services that will be there. Hooks are Helm's to wait for. */
  readonly objects: readonly KubeObject[]
  /** What unfinished releases may still do: Helm waits for the workloads of one before it runs the hooks that come after. */
  readonly work: () => readonly Work[]
  /** All at the same time. */
  install(signal: AbortSignal): Promise<void>
}

export function planReleases({ charts, manifests, owner, cluster, trackChild, progress }: ReleasesOptions): Releases {
  // A fork has those of its template.
  const missing = cluster.template ? [] : charts
  const unfinished = new Set(missing)
  const partOf = ({ release }: ChartPlan) => manifests.filter(({ chart }) => chart?.release === release)
  const objectsOf = (list: readonly Manifest[]) =>
    list.map(({ object }) => object).filter((object) => (isWorkload(object) || kindOf(object) === 'Service') && !isHook(object))
  return {
    objects: objectsOf(manifests),
    work: () => [...unfinished].map((chart) => ({ after: chart.options.wait === false ? [] : objectsOf(partOf(chart)) })),
    async install(signal) {
      await together(
        signal,
        missing.map((chart) => async (abort: AbortSignal) => {
          const onNote = (text: string) => progress({ kind: 'note', step: 'chart', text })
          const postRender = { ...compareRendered(chart.namespace, partOf(chart)), owner }
          const options = { ...cluster, postRender, onNote, onChild: trackChild, signal: abort }
          await runStep(progress, 'chart', `release "${chart.release}"`, () => installChart(chart, options))
          unfinished.delete(chart)
        }),
      )
    },
  }
}

/** What the preparation has changed, as the post-renderer can do it to whatever Helm renders in the end. */
export function compareRendered(namespace: string, manifests: readonly Manifest[]): PostRender {
  const images: Record<string, PostRender['images'][string]> = {}
  const podSpecs: Record<string, unknown> = {}
  for (const { object, chart } of manifests) {
    const rendered = chart?.rendered ?? object
    if (JSON.stringify(withoutImages(object)) !== JSON.stringify(withoutImages(rendered)))
      podSpecs[objectKey(rendered, namespace)] = podTemplate(object)?.spec
    else {
      const from = containersOf(rendered)
      for (const [index, { image, imagePullPolicy }] of containersOf(object).entries()) {
        const original = from[index]!
        const policy = original.imagePullPolicy !== imagePullPolicy ? { imagePullPolicy } : {}
        if (original.image !== image || 'imagePullPolicy' in policy)
          images[original.image] = { ...images[original.image], image, ...policy }
      }
    }
  }
  return { namespace, images, podSpecs }
}

function withoutImages(object: KubeObject): KubeObject {
  return mapContainers(object, ({ imagePullPolicy: _policy, ...container }) => ({ ...container, image: '' }))
}

function containersOf(object: KubeObject): readonly Container[] {
  const containers: Container[] = []
  mapContainers(object, (container) => {
    containers.push(container)
    return container
  })
  return containers
}
