import { readFile, rm, writeFile } from 'node:fs/promises'

import type { Docker } from '../docker/docker.ts'
import { type KubeClient, createKubeClient } from '../kube/client.ts'
import { withDeadline } from '../support/deadline.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { randomId } from '../support/identity.ts'
import type { Progress } from '../support/progress.ts'
import { type Cluster, type NodeContainer, reachServer, readNodes, withNames } from './cluster.ts'
import { type PublishedPorts, openPublishedPorts } from './network/published-ports.ts'
import type { KeptCluster } from './ownership/kept-clusters.ts'

/** Milliseconds: after a reboot k3s takes its time. */
const answerTimeout = 60_000

export interface AttachOptions {
  /** Of what is created for it: its own for what is to stay, those of this process for what goes with that. */
  readonly labels: Readonly<Record<string, string>>
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * A cluster that another process has started and left. Disposal leaves it too.
 * @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` when its nodes do not run, or its kubeconfig is gone
 */
export async function attachCluster(docker: Docker, { name, kubeconfigPath }: KeptCluster, options: AttachOptions): Promise<Cluster> {
  const { labels, signal } = options
  const kubeconfig = await readKubeconfig(name, kubeconfigPath)
  await using cleanup = new AsyncDisposableStack()
  const { kube, ports, containers, ...reached } = cleanup.use(await reachCluster(docker, { name, kubeconfig }, options))
  let path = kubeconfigPath
  if (reached.kubeconfig !== kubeconfig) {
    path += `-${randomId()}`
    cleanup.defer(() => rm(path, { force: true }))
    await writeFile(path, reached.kubeconfig, { mode: 0o600 })
  }
  const what = `An answer of the nodes of cluster "${name}"`
  const nodes = await withDeadline({ limit: answerTimeout, code: 'ERR_KUBE_UNREACHABLE', what, signal }, (each) =>
    withNames(kube, containers, each),
  )
  const owned = cleanup.move()
  return {
    ...{ name, network: name, nodes, image: nodes[0]!.image, kubeconfigPath: path, kube, ports, labels },
    ...{ template: undefined, templateVolume: undefined },
    keep: () => Promise.reject(new Error(`Cluster "${name}" is kept already.`)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A cluster that another process has started, as this machine reaches it. */
export interface ReachedCluster extends AsyncDisposable {
  readonly kubeconfig: string
  readonly kube: KubeClient
  readonly ports: PublishedPorts
  readonly containers: readonly NodeContainer[]
}

/**
 * @param kubeconfig as k3d has it
 * @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` when its nodes do not run
 */
export async function reachCluster(
  docker: Docker,
  { name, kubeconfig }: { readonly name: string; readonly kubeconfig: string },
  { labels, progress, signal }: AttachOptions,
): Promise<ReachedCluster> {
  const containers = await readNodes(docker, name)
  if (containers.length === 0) throw notThere(name, 'none of its nodes runs')
  await using cleanup = new AsyncDisposableStack()
  const ports = cleanup.use(openPublishedPorts(docker, { name, image: containers[0]!.image, labels }, { progress, signal }))
  const reached = await reachServer(kubeconfig, ports)
  const owned = cleanup.move()
  return { kubeconfig: reached, kube: createKubeClient(reached), ports, containers, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` */
export async function readKubeconfig(cluster: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw notThere(cluster, `its kubeconfig cannot be read: ${messageOf(error)}`)
  }
}

function notThere(name: string, why: string): ClusterTestError {
  return new ClusterTestError('ERR_CLUSTER_NOT_FOUND', `Cluster "${name}" cannot be used: ${why}.`, {
    hint: `Start its containers (docker start k3d-${name}-server-0); a stack can also be taken down and brought up again.`,
  })
}
