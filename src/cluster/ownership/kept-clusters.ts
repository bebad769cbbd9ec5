import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { DockerEngine } from '../../docker/docker.ts'
import { removeByLabel } from '../../docker/remove.ts'
import { clusterLabel, clusterName, expiresLabel, kubeconfigLabel, ownerLabel, runLabel } from './owner.ts'

/** A cluster that outlives its suite, for people to look into. */
export interface KeptCluster {
  readonly name: string
  readonly run: string
  /** Milliseconds since 1970. */
  readonly expires: number
  /** Absolute path, readable by its owner only. */
  readonly kubeconfigPath: string
}

/** Start of the name of the private folder with a kept cluster's kubeconfig. */
const folderPrefix = (name: string) => `vitest-kubernetes-kept-${name}-`

/** Writes down, where Docker keeps its objects, that a cluster stays until then. */
export async function markKept(
  docker: DockerEngine,
  { name, labels, kubeconfig, expires }: { name: string; labels: Readonly<Record<string, string>>; kubeconfig: string; expires: number },
): Promise<KeptCluster> {
  const folder = await mkdtemp(join(tmpdir(), folderPrefix(name)))
  const kubeconfigPath = join(folder, 'kubeconfig')
  await writeFile(kubeconfigPath, kubeconfig, { mode: 0o600 })
  await docker.engine.createVolume({
    Name: `${name}-kept`,
    Labels: { ...labels, [expiresLabel]: String(expires), [kubeconfigLabel]: kubeconfigPath },
  })
  return { name, run: labels[runLabel] ?? '', expires, kubeconfigPath }
}

/** All clusters that are kept, those whose time is over included. */
export async function listKept(docker: DockerEngine): Promise<readonly KeptCluster[]> {
  const { Volumes } = await docker.engine.listVolumes({ filters: { label: [ownerLabel, expiresLabel] } })
  return (Volumes ?? []).map(({ Labels }) => ({
    name: Labels[clusterLabel] ?? '',
    run: Labels[runLabel] ?? '',
    expires: Number(Labels[expiresLabel]),
    kubeconfigPath: Labels[kubeconfigLabel] ?? '',
  }))
}

/** Removes a kept cluster and its kubeconfig, and what says that it is kept only when the rest is gone. */
export async function removeKept(docker: DockerEngine, { name }: Pick<KeptCluster, 'name'>): Promise<void> {
  const filters = [`k3d.cluster=${name}`, `${clusterLabel}=${name}`]
  await removeByLabel(docker, filters, { isMeant: (labels) => !(expiresLabel in labels) })
  await removeByLabel(docker, filters)
  await removeKubeconfigs(folderPrefix(name), [])
}

/** Those of a run's clusters that are not kept any more. */
export async function removeOldKubeconfigs(run: string, kept: ReadonlySet<string>): Promise<void> {
  await removeKubeconfigs(folderPrefix(clusterName(run, '')).slice(0, -1), [...kept].map(folderPrefix))
}

async function removeKubeconfigs(prefix: string, except: readonly string[]): Promise<void> {
  for (const folder of await readdir(tmpdir()))
    if (folder.startsWith(prefix) && !except.some((each) => folder.startsWith(each)))
      await rm(join(tmpdir(), folder), { recursive: true, force: true })
}
