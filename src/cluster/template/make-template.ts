import { readFile } from 'node:fs/promises'

import type { Docker } from '../../docker/docker.ts'
import type { KubeList, Pod } from '../../kube/types.ts'
import { together } from '../../support/together.ts'
import type { Cluster } from '../cluster.ts'
import { whilePaused } from '../while-paused.ts'
import { startCopier } from './copy-files.ts'
import { readTemplateNode } from './template-node.ts'
import { type Template, describeTemplate } from './template.ts'

export interface MakeTemplateOptions extends Pick<Template, 'key' | 'name' | 'images'> {
  readonly signal: AbortSignal
}

/**
 * Makes a template of a cluster as it is at this moment, for which its nodes are paused. They must have had the volume since they were created.
 * Where another run has made the same template meanwhile, that one counts.
 */
export async function makeTemplate(docker: Docker, cluster: Cluster, volume: string, options: MakeTemplateOptions): Promise<void> {
  const { key, name, images, signal } = options
  await using cleanup = new AsyncDisposableStack()
  const [copier, { IPAM }, pods, nodes] = await together(signal, [
    async () => cleanup.use(await startCopier(docker, cluster, volume)),
    () => docker.engine.getNetwork(cluster.network).inspect(),
    async (abort) => (await cluster.kube.request<KubeList<Pod>>('GET', '/api/v1/pods', { signal: abort })).items,
    (abort) => Promise.all(cluster.nodes.map(({ container }) => readTemplateNode(docker, container, abort))),
  ])
  const files = nodes.map(({ hostname }, index) => ({ hostname, container: cluster.nodes[index]!.container }))
  await whilePaused(docker, cluster, () => copier.save(files, signal))
  await describeTemplate(docker, {
    ...{ key, name, images, volume, nodes },
    pods: pods.map(({ metadata }) => metadata!.uid!),
    containers: pods.flatMap(({ status }) => status?.containerStatuses ?? []).flatMap(({ containerID }) => containerID ?? []),
    created: Date.now(),
    size: await copier.measure(signal),
    gateway: IPAM?.Config?.[0]?.['Gateway'] ?? '',
    kubeconfig: await readFile(cluster.kubeconfigPath, 'utf8'),
  })
}
