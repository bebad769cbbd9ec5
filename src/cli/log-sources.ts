import type { Readable } from 'node:stream'

import { type ReachedCluster, reachCluster } from '../cluster/attach-cluster.ts'
import { findK3d } from '../cluster/k3d.ts'
import type { ClusterInventory } from '../cluster/ownership/inventory.ts'
import { clusterLabel } from '../cluster/ownership/owner.ts'
import { streamContainerLog } from '../docker/container-log.ts'
import type { Docker } from '../docker/docker.ts'
import { readSettings } from '../engine/settings.ts'
import type { KubeClient } from '../kube/client.ts'
import { streamPodLog } from '../kube/logs.ts'
import type { KubeList, Pod } from '../kube/types.ts'
import { listPods } from '../kube/workload.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { createTerminalProgress } from '../support/terminal.ts'
import type { CliContext } from './command.ts'

/** Which logs somebody asks for. */
export interface LogSelection {
  readonly targets: readonly string[]
  readonly nodes: boolean
  readonly namespace: string | undefined
  readonly container: string | undefined
  readonly tail: number | undefined
  readonly previous: boolean
  readonly follow: boolean
}

export interface LogSource {
  readonly name: string
  readonly open: () => Promise<Readable>
}

export function nodeSources(
  docker: Docker,
  cluster: ClusterInventory,
  { targets, nodes, tail, follow }: LogSelection,
): readonly LogSource[] {
  const all = cluster.containers.filter(({ role }) => role !== 'other').map(({ name }) => name)
  const short = (name: string) => name.slice(`k3d-${cluster.name}-`.length)
  const wanted = targets.filter((target) => target.startsWith('node/')).map((target) => target.slice('node/'.length))
  const unknown = wanted.find((name) => !all.some((each) => each === name || short(each) === name))
  if (unknown !== undefined)
    throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `Cluster "${cluster.name}" has no node "${unknown}".`, {
      hint: `It has ${formatList(all.map(short))}.`,
    })
  return all
    .filter((name) => nodes || wanted.includes(name) || wanted.includes(short(name)))
    .map((name) => ({ name: short(name), open: () => streamContainerLog(docker.engine.getContainer(name), { tail, follow }) }))
}

/** The cluster of a run, whoever started it. */
export async function reach(docker: Docker, { name }: ClusterInventory, { env, note }: CliContext): Promise<ReachedCluster> {
  const k3d = await findK3d(docker, readSettings(env).k3d)
  const kubeconfig = await k3d.kubeconfig(name)
  const options = { labels: { [clusterLabel]: name }, progress: createTerminalProgress(note)(name), signal: AbortSignal.timeout(30_000) }
  return reachCluster(docker, { name, kubeconfig }, options)
}

/** undefined where only those of nodes are asked for. */
export function podSelection(selection: LogSelection): LogSelection | undefined {
  const targets = selection.targets.filter((target) => !target.startsWith('node/'))
  const isOnlyNodes = selection.targets.length === 0 ? selection.nodes : targets.length === 0
  return isOnlyNodes ? undefined : { ...selection, targets }
}

/** Of the containers of workloads; of all but the cluster's own when none is named. */
export async function sourcesOf(
  kube: KubeClient,
  { targets: workloads, ...selection }: Omit<LogSelection, 'nodes'>,
): Promise<readonly LogSource[]> {
  const { namespace = 'default', container: wanted, tail, previous, follow } = selection
  const pods =
    workloads.length > 0
      ? (await Promise.all(workloads.map((workload) => listPods(kube, namespace, workload)))).flat()
      : await allPods(kube, selection.namespace)
  return pods.flatMap(({ metadata, spec }) => {
    const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((container) => container.name)
    const [pod, ns] = [metadata!.name!, metadata!.namespace!]
    const shown = containers.filter((container) => wanted === undefined || container === wanted)
    if (shown.length === 0 && workloads.length > 0)
      throw new ClusterTestError('ERR_KUBE_NOT_FOUND', `Pod "${pod}" has no container "${wanted}".`, {
        hint: `It has ${formatList(containers)}.`,
      })
    return shown.map((container) => ({
      name: `${ns === 'default' ? '' : `${ns}/`}${pod}${containers.length > 1 ? `/${container}` : ''}`,
      open: () => streamPodLog(kube, ns, pod, { container, previous, follow, ...(tail === undefined ? {} : { tail }) }),
    }))
  })
}

async function allPods(kube: KubeClient, namespace: string | undefined): Promise<readonly Pod[]> {
  const path = namespace === undefined ? '/api/v1/pods' : `/api/v1/namespaces/${namespace}/pods`
  const { items } = await kube.request<KubeList<Pod>>('GET', path)
  return items.filter(({ metadata }) => namespace !== undefined || metadata?.namespace !== 'kube-system')
}
