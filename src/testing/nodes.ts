import { readFile } from 'node:fs/promises'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'
import { execInContainer } from '../docker/exec.ts'
import { createKubeClient } from '../kube/client.ts'
import type { KubeList, Pod } from '../kube/types.ts'

/** kubectl on the server, as on a machine of its own: words are split at blanks. */
export function kubectl(cluster: TestCluster, command: string): Promise<string> {
  return runOnNode(cluster, 'server-0', ['kubectl', ...command.split(' ')])
}

/** Runs a command on a node: `server-0`, `agent-0`. */
export async function runOnNode(cluster: TestCluster, node: string, command: readonly string[]): Promise<string> {
  return execInContainer(await connectDocker(), nodeContainer(cluster, node), command, { timeout: 60_000 })
}

/** Docker container. */
export function nodeContainer(cluster: TestCluster, node: string): string {
  return `k3d-${cluster.name}-${node}`
}

/** Of the Kubernetes Node: the container's hostname, which is another one than its name in a fork. */
export async function nodeName(cluster: TestCluster, node: string): Promise<string> {
  const { engine } = await connectDocker()
  return (await engine.getContainer(nodeContainer(cluster, node)).inspect()).Config.Hostname
}

/** In the cluster's Docker network. */
export async function nodeAddress(cluster: TestCluster, node: string): Promise<string> {
  const { engine } = await connectDocker()
  const { NetworkSettings } = await engine.getContainer(nodeContainer(cluster, node)).inspect()
  return NetworkSettings.Networks[cluster.name]!.IPAddress
}

export async function kubeOf(cluster: TestCluster) {
  return createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
}

/** Those with the label `app`, and not on their way out. */
export async function podsOf(cluster: TestCluster, app: string, namespace = 'default'): Promise<readonly Pod[]> {
  const kube = await kubeOf(cluster)
  const { items } = await kube.request<KubeList<Pod>>('GET', `/api/v1/namespaces/${namespace}/pods`, {
    query: { labelSelector: `app=${app}` },
  })
  return items.filter(({ metadata }) => !metadata?.deletionTimestamp)
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
}

export function restartsOf(pods: readonly Pod[]): readonly number[] {
  return pods.flatMap(({ status }) => status?.containerStatuses?.map(({ restartCount }) => restartCount) ?? [])
}
