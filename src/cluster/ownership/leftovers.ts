import type { DockerEngine } from '../../docker/docker.ts'
import { removeByLabel } from '../../docker/remove.ts'
import { untilAnswers } from '../../docker/until-answers.ts'
import { removeUnfinished } from '../template/template.ts'
import { removeFolders } from './folders.ts'
import { listKept, removeKept, removeOldKubeconfigs } from './kept-clusters.ts'
import { clusterLabel, isOwnerDead, ownerLabel, runLabel } from './owner.ts'
import { endDeadProcesses, findDeadProcesses } from './processes.ts'

/** A cluster, or part of one, that a process left which no longer runs; or one that was kept and whose time is over. */
export interface Leftover {
  readonly run: string
  readonly clusters: readonly string[]
}

/** What dead runs of this host left. Found by our labels alone: never by a name, never anything of a run that lives, nor what is kept. */
export async function findLeftovers(docker: DockerEngine): Promise<readonly Leftover[]> {
  const filters = { label: [ownerLabel] }
  const [containers, networks, volumes, kept, processes] = await Promise.all([
    docker.engine.listContainers({ all: true, filters }),
    docker.engine.listNetworks({ filters }),
    docker.engine.listVolumes({ filters }),
    listKept(docker),
    findDeadProcesses(),
  ])
  const expires = new Map(kept.map((each) => [each.name, each.expires]))
  const labels = [...containers, ...networks, ...(volumes.Volumes ?? [])].map((object) => object.Labels ?? {})
  const left = labels.filter((each) => {
    const until = expires.get(each[clusterLabel] ?? '')
    return until === undefined ? isOwnerDead(each[ownerLabel] ?? '') : until <= Date.now()
  })
  const runs = new Set([...left.map((each) => each[runLabel] ?? ''), ...processes.map(({ run }) => run)])
  return [...runs].map((run) => ({
    run,
    clusters: [...new Set(left.flatMap((each) => (each[runLabel] === run ? (each[clusterLabel] ?? []) : [])))],
  }))
}

/**
 * Removes everything of a run: what Docker has, the parts included that only k3d labelled, and its folder with the
 * kubeconfigs. Only clusters that are kept stay.
 */
export async function removeRun(docker: DockerEngine, run: string): Promise<void> {
  const kept = new Set((await untilAnswers(() => listKept(docker))).map(({ name }) => name))
  const networks = await untilAnswers(() => docker.engine.listNetworks({ filters: { label: [`${runLabel}=${run}`] } }))
  const clusters = networks.flatMap(({ Labels }) => Labels?.[clusterLabel] ?? []).filter((name) => !kept.has(name))
  await removeByLabel(docker, [...clusters.map((name) => `k3d.cluster=${name}`), `${runLabel}=${run}`], {
    isMeant: (labels) => !kept.has(labels[clusterLabel] ?? ''),
  })
  await removeOldKubeconfigs(run, kept)
  await removeFolders(run)
}

/** The same for a run that did not come to end its processes. */
export async function removeDeadRun(docker: DockerEngine, run: string): Promise<void> {
  await endDeadProcesses(run)
  await removeRun(docker, run)
}

/** Removes what dead runs left and what has been kept for long enough, and resolves to it. */
export async function pruneLeftovers(docker: DockerEngine): Promise<readonly Leftover[]> {
  const leftovers = await findLeftovers(docker)
  const kept = new Set((await listKept(docker)).map(({ name }) => name))
  for (const { run, clusters } of leftovers) {
    for (const name of clusters.filter((each) => kept.has(each))) await removeKept(docker, { name })
    if (clusters.length === 0 || clusters.some((each) => !kept.has(each))) await removeDeadRun(docker, run)
  }
  await removeUnfinished(docker)
  return leftovers
}
