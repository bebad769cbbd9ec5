import { clusterLabel, createOwner, ownerLabel, runLabel } from '../cluster/ownership/owner.ts'
import type { Docker } from '../docker/docker.ts'
import { removeContainer } from '../docker/remove.ts'
import { parseSubstitutes, substituteImage } from '../stack/images/image-names.ts'
import { randomId } from '../support/identity.ts'

export interface Foreigners extends AsyncDisposable {
  /** Names of those that nobody but their owner may remove. */
  readonly ofOthers: readonly string[]
  /** Of a run of this host before it was booted. */
  readonly rebooted: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  /** Names of those that are still there. */
  left(): Promise<readonly string[]>
}

/** Containers that a cleaner might take for ours: by their names, by k3d's labels, by our labels with another host. */
export async function createForeigners(docker: Docker, deadCluster: string): Promise<Foreigners> {
  const { labels, run } = createOwner()
  const [host, , ...rest] = labels[ownerLabel]!.split('/')
  const cluster = `vk-${run}-foreign-${randomId(2)}`
  const rebooted = {
    name: `${cluster}-rebooted`,
    labels: { ...labels, [ownerLabel]: [host, 'another-boot', ...rest].join('/'), [clusterLabel]: cluster },
  }
  const others = [
    { name: `${deadCluster}-of-somebody`, labels: {} },
    { name: `k3d-${cluster}-server-0`, labels: { app: 'k3d', 'k3d.cluster': 'of-somebody', 'k3d.role': 'server' } },
    {
      name: `${cluster}-of-another-host`,
      labels: { [runLabel]: randomId(), [ownerLabel]: ['another-host', 'another-boot', ...rest].join('/'), [clusterLabel]: 'vk-x' },
    },
  ]
  const image = substituteImage(parseSubstitutes(process.env['VITEST_KUBERNETES_IMAGES']), 'busybox:1.37')
  const ids = new Map<string, string>()
  for (const each of [rebooted, ...others]) {
    const container = await docker.engine.createContainer({
      name: each.name,
      Image: image,
      Labels: each.labels,
      HostConfig: { RestartPolicy: { Name: 'unless-stopped' } },
    })
    ids.set(each.name, container.id)
  }
  return {
    rebooted,
    ofOthers: others.map(({ name }) => name),
    async left() {
      const there = new Set((await docker.engine.listContainers({ all: true })).map(({ Id }) => Id))
      return [...ids].filter(([, id]) => there.has(id)).map(([name]) => name)
    },
    async [Symbol.asyncDispose]() {
      for (const id of ids.values()) await removeContainer(docker, id)
    },
  }
}
