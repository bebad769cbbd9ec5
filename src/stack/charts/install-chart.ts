import type { KubeClient } from '../../kube/client.ts'
import { apiPath } from '../../kube/kinds.ts'
import type { OwnerReference } from '../../kube/lineage.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { KubeList } from '../../kube/types.ts'
import { isLate } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { CommandError, type RunCommandOptions } from '../../support/run-command.ts'
import { findDoubleEntries } from '../manifests/duplicates.ts'
import { describeCluster } from '../ready/diagnose.ts'
import { type ChartPlan, explainHelm } from './charts.ts'
import { postRenderer } from './helm.ts'
import { readHookLogs } from './hook-logs.ts'
import type { PostRender } from './post-render.ts'

export interface InstallChartOptions {
  readonly kube: KubeClient
  readonly kubeconfigPath: string
  readonly postRender: PostRender
  /** Told of what an interrupted run has left. */
  readonly onNote: (text: string) => void
  readonly onChild?: RunCommandOptions['onChild'] | undefined
  readonly signal: AbortSignal
}

/**
 * Installs a release, or upgrades it; one that an interrupted run has left half-way is cleared away first.
 * @throws ClusterTestError `ERR_HELM_FAILED` with Helm's words and the log of a hook that failed
 */
export async function installChart(plan: ChartPlan, options: InstallChartOptions): Promise<void> {
  const { release, namespace, options: chart, path, values, helm } = plan
  const { kubeconfigPath, postRender, onChild, signal } = options
  await recover(plan, options)
  const args = ['upgrade', '--install', release, path, '--namespace', namespace, '--kubeconfig', kubeconfigPath]
  args.push('--values', '-', '--hide-notes', '--post-renderer', postRenderer, '--timeout', `${Math.ceil(chart.timeout ?? longest)}ms`)
  // Whoever has one namespace is not allowed to create it.
  if (options.kube.scope === undefined) args.push('--create-namespace')
  // Nor what is of the whole cluster. What Helm keeps of the release is found by its label, however this ends.
  if (postRender.owner) args.push('--skip-crds', '--labels', `${ownerLabel}=${postRender.owner.name}`)
  // Server-side apply refuses what stands twice in a list, which Kubernetes takes.
  if (plan.manifests.some(({ object }) => findDoubleEntries(object).length > 0)) args.push('--server-side=false')
  if (chart.wait ?? true) args.push('--wait', '--wait-for-jobs')
  try {
    await helm.run(args, { input: values.json, postRender, signal, ...(onChild && { onChild }) })
  } catch (error) {
    if (signal.aborted) throw await timedOut(plan, options)
    const logs = await readHookLogs(options.kube, plan)
    throw explainHelm(error, `Release "${release}" could not be installed in namespace "${namespace}"`, values, logs)
  } finally {
    if (postRender.owner) await giveAway(namespace, postRender.owner, options.kube)
  }
}

/** On what Helm keeps of releases that belong to something: the name of that. */
export const ownerLabel = 'vitest-kubernetes.owner'

/** What Helm knows of a release is no object that it renders. */
async function giveAway(namespace: string, owner: OwnerReference, kube: KubeClient): Promise<void> {
  const path = apiPath('Secret', namespace)
  const query = { labelSelector: `owner=helm,${ownerLabel}=${owner.name}` }
  const { items } = await kube.request<KubeList<KubeObject>>('GET', path, { query })
  const body = { metadata: { ownerReferences: [owner] } }
  for (const { metadata } of items)
    await kube.request('PATCH', `${path}/${metadata.name}`, { body, contentType: 'application/merge-patch+json' })
}

/** Milliseconds: the signal ends the wait. */
const longest = 24 * 60 * 60 * 1000

/** With the state of the cluster, unless the wait was ended by something else. */
async function timedOut({ release }: ChartPlan, { kube, signal }: InstallChartOptions): Promise<unknown> {
  if (!isLate(signal)) return signal.reason
  const message = `Release "${release}" was not installed in time: Helm waits for its hooks and workloads.`
  return new ClusterTestError('ERR_HELM_FAILED', `${message}\n${await describeCluster(kube)}`, {
    cause: signal.reason,
    hint: 'If it only needs more time, raise "setupTimeout" of the suite. If its pods wait for a later hook, set `wait: false`.',
  })
}

interface Revision {
  readonly revision: number
  readonly status: string
}

/** Helm refuses to touch a release that is pending, and to upgrade one that never was deployed. */
async function recover(plan: ChartPlan, options: InstallChartOptions): Promise<void> {
  const { release, namespace, helm } = plan
  const where = ['--namespace', namespace, '--kubeconfig', options.kubeconfigPath]
  const run = (args: readonly string[]) =>
    helm.run([...args, ...where], { signal: options.signal, ...(options.onChild && { onChild: options.onChild }) })
  const history = await run(['history', release, '--output', 'json']).catch((error: unknown) => {
    if (error instanceof CommandError && /release: not found/.test(error.output)) return '[]'
    throw explainHelm(error, `The state of release "${release}" could not be read`)
  })
  const revisions = JSON.parse(history) as readonly Revision[]
  const last = revisions.at(-1)
  if (last === undefined || ['deployed', 'superseded', 'uninstalled'].includes(last.status)) return
  const good = revisions.findLast(({ status }) => status === 'deployed' || status === 'superseded')
  if (last.status === 'failed' && good) return
  try {
    if (good && last.status.startsWith('pending-')) {
      await run(['rollback', release, String(good.revision)])
      options.onNote(`release "${release}" was left ${last.status}: rolled back to revision ${good.revision}`)
    } else {
      await run(['uninstall', release, '--wait', '--no-hooks'])
      options.onNote(`release "${release}" was left ${last.status}: uninstalled`)
    }
  } catch (error) {
    throw explainHelm(error, `Release "${release}" was left ${last.status} and could not be removed`)
  }
}
