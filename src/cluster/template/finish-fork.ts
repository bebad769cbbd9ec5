import type { Docker } from '../../docker/docker.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { KubeList, Pod } from '../../kube/types.ts'
import { withDeadline } from '../../support/deadline.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { counted } from '../../support/format.ts'
import { poll } from '../../support/poll.ts'
import type { Template } from './template.ts'
import { waitForReturn, whenAnswered } from './wait-for-return.ts'

export interface FinishForkOptions {
  readonly name: string
  readonly signal: AbortSignal
}

/** Milliseconds for all nodes, pods and endpoints to be there again: ten times of what a 2-core machine needs. */
const returnTimeout = 90_000

/** Waits until all is there again that was there in the template. */
export function finishFork(docker: Docker, kube: KubeClient, template: Template, { name, signal }: FinishForkOptions): Promise<void> {
  const what = `The return of nodes, pods and endpoints in "${name}", a fork of "${template.name}"`
  return withDeadline({ limit: returnTimeout, code: 'ERR_CLUSTER_FORK_FAILED', what, signal }, async (each) => {
    await checkPods(kube, template, each)
    await markNotReady(kube, each)
    await replaceGateway(docker, kube, template.gateway, name, each)
    await waitForReturn(kube, template.containers, each)
  })
}

/** What the API server says first is what was in the template. */
async function checkPods(kube: KubeClient, { name, pods }: Template, signal: AbortSignal): Promise<void> {
  const list = () => kube.request<KubeList<Pod>>('GET', '/api/v1/pods', { signal, timeout: 5_000 })
  const { items } = await poll(() => whenAnswered(list()), { interval: 100, signal })
  const there = new Set(items.map(({ metadata }) => metadata?.uid))
  const missing = pods.filter((uid) => !there.has(uid)).length
  if (missing > 0)
    throw new ClusterTestError(
      'ERR_CLUSTER_FORK_FAILED',
      `Of the ${counted(pods.length, 'pod')} in the template of "${name}", ${missing} did not come back.`,
    )
}

/**
 * A kubelet that finds its node ready looks again only ten seconds after its start, when it is too early, instead of ten times a second until
 * it is (`fastNodeStatusUpdate`, kubernetes 1.36, pkg/kubelet/kubelet_node_status.go).
 */
async function markNotReady(kube: KubeClient, signal: AbortSignal): Promise<void> {
  const { items } = await kube.request<KubeList<KubeObject>>('GET', '/api/v1/nodes', { signal })
  const condition = { type: 'Ready', status: 'False', reason: 'Forked', message: 'The node of this cluster has not started yet.' }
  const patch = { body: { status: { conditions: [condition] } }, contentType: 'application/strategic-merge-patch+json', signal }
  await Promise.all(items.map(({ metadata: { name } }) => kube.request('PATCH', `/api/v1/nodes/${name}/status`, patch)))
}

/** k3d puts the address of `host.k3d.internal` into the configuration of CoreDNS, which k3s writes anew from its file a moment later. */
async function replaceGateway(docker: Docker, kube: KubeClient, from: string, network: string, signal: AbortSignal): Promise<void> {
  const { IPAM } = await docker.engine.getNetwork(network).inspect()
  const to = IPAM?.Config?.[0]?.['Gateway'] ?? ''
  const path = '/api/v1/namespaces/kube-system/configmaps/coredns'
  const found = await kube.find<{ data?: Record<string, string> }>(path, { signal })
  const NodeHosts = found?.data?.['NodeHosts']?.replaceAll(`${from} `, `${to} `)
  if (NodeHosts) await kube.request('PATCH', path, { body: { data: { NodeHosts } }, contentType: 'application/merge-patch+json', signal })
}
