import type { Cluster } from '../cluster/cluster.ts'
import { isWorkload, kindOf } from '../kube/kinds.ts'
import { podTemplate } from '../kube/pod-template.ts'
import type { KubeObject } from '../kube/types.ts'
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
  /** What the charts render to, one after the other, with stand-ins in place. */
  readonly planned: readonly Manifest[]
  /** The same with images chosen. */
  readonly prepared: readonly Manifest[]
  readonly cluster: Cluster
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

export function planReleases({ charts, planned, prepared, cluster, trackChild, progress }: ReleasesOptions): Releases {
  const unfinished = new Set(charts)
  const partOf = (chart: ChartPlan, list: readonly Manifest[]) => {
    const first = charts.slice(0, charts.indexOf(chart)).flatMap(({ manifests }) => manifests).length
    return list.slice(first, first + chart.manifests.length)
  }
  const objectsOf = (manifests: readonly Manifest[]) =>
    manifests.map(({ object }) => object).filter((object) => (isWorkload(object) || kindOf(object) === 'Service') && !isHook(object))
  return {
    objects: objectsOf(prepared),
    work: () => [...unfinished].map((chart) => ({ after: chart.options.wait === false ? [] : objectsOf(partOf(chart, prepared)) })),
    async install(signal) {
      await together(
        signal,
        charts.map((chart) => async (abort: AbortSignal) => {
          const onNote = (text: string) => progress({ kind: 'note', step: 'chart', text })
          const postRender = compareRendered(chart, partOf(chart, planned), partOf(chart, prepared))
          const options = { ...cluster, postRender, onNote, onChild: trackChild, signal: abort }
          await runStep(progress, 'chart', `release "${chart.release}"`, () => installChart(chart, options))
          unfinished.delete(chart)
        }),
      )
    },
  }
}

/** What the preparation has changed, as the post-renderer can do it to whatever Helm renders in the end. */
export function compareRendered(
  { namespace, manifests }: Pick<ChartPlan, 'namespace' | 'manifests'>,
  planned: readonly Manifest[],
  prepared: readonly Manifest[],
): PostRender {
  const images: Record<string, PostRender['images'][string]> = {}
  const podSpecs: Record<string, unknown> = {}
  for (const [index, { object }] of manifests.entries()) {
    const after = prepared[index]!.object
    if (JSON.stringify(object) !== JSON.stringify(planned[index]!.object)) podSpecs[objectKey(object, namespace)] = podTemplate(after)?.spec
    else {
      const from = containersOf(object)
      for (const [each, { image, imagePullPolicy }] of containersOf(after).entries()) {
        const original = from[each]!
        const policy = original.imagePullPolicy === undefined && imagePullPolicy !== undefined ? { imagePullPolicy } : {}
        if (original.image !== image || 'imagePullPolicy' in policy) images[original.image] = { image, ...policy }
      }
    }
  }
  return { namespace, images, podSpecs }
}

function containersOf(object: KubeObject): readonly Container[] {
  const containers: Container[] = []
  mapContainers(object, (container) => {
    containers.push(container)
    return container
  })
  return containers
}
