import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Docker } from '../docker/docker.ts'
import { removeByLabel } from '../docker/remove.ts'
import { clusterLabel, folderPrefix, isOwnerDead, ownerLabel, runLabel } from './owner.ts'

/** A cluster, or part of one, that a process left which no longer runs. */
export interface Leftover {
  readonly run: string
  readonly clusters: readonly string[]
}

/** What dead runs of this host left. Found by our labels alone: never by a name, never anything of a run that lives. */
export async function findLeftovers(docker: Docker): Promise<readonly Leftover[]> {
  const filters = { label: [ownerLabel] }
  const [containers, networks, volumes] = await Promise.all([
    docker.engine.listContainers({ all: true, filters }),
    docker.engine.listNetworks({ filters }),
    docker.engine.listVolumes({ filters }),
  ])
  const labels = [...containers, ...networks, ...(volumes.Volumes ?? [])].map((object) => object.Labels ?? {})
  const dead = labels.filter((each) => isOwnerDead(each[ownerLabel] ?? ''))
  return Object.entries(Object.groupBy(dead, (each) => each[runLabel] ?? '')).map(([run, objects = []]) => ({
    run,
    clusters: [...new Set(objects.flatMap((each) => each[clusterLabel] ?? []))],
  }))
}

/** Removes everything of a run: what Docker has, the parts included that only k3d labelled, and its folder with the kubeconfigs. */
export async function removeRun(docker: Docker, run: string): Promise<void> {
  const networks = await docker.engine.listNetworks({ filters: { label: [`${runLabel}=${run}`] } })
  const clusters = networks.flatMap(({ Labels }) => Labels?.[clusterLabel] ?? [])
  await removeByLabel(docker, [...clusters.map((name) => `k3d.cluster=${name}`), `${runLabel}=${run}`])
  const folders = (await readdir(tmpdir())).filter((name) => name.startsWith(folderPrefix(run)))
  for (const folder of folders) await rm(join(tmpdir(), folder), { recursive: true, force: true })
}

/** Removes what dead runs left, and resolves to it. */
export async function pruneLeftovers(docker: Docker): Promise<readonly Leftover[]> {
  const leftovers = await findLeftovers(docker)
  for (const { run } of leftovers) await removeRun(docker, run)
  return leftovers
}
