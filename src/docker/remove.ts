import { setTimeout as sleep } from 'node:timers/promises'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type DockerEngine, isBeingRemoved, isNotFound } from './docker.ts'
import { untilAnswers } from './until-answers.ts'

/** What a removal left, by name. Empty when everything is gone. */
export interface DockerObjects {
  readonly containers: readonly string[]
  readonly networks: readonly string[]
  readonly volumes: readonly string[]
}

/** Label filters as Docker takes them, `key=value` or `key`; an object that matches any of them is meant. */
export type LabelFilters = readonly string[]

/** Tells of what matches what is meant, by its labels. */
export type IsMeant = (labels: Readonly<Record<string, string>>) => boolean

export async function listByLabel(docker: DockerEngine, filters: LabelFilters, isMeant: IsMeant = () => true): Promise<DockerObjects> {
  const found = { containers: new Set<string>(), networks: new Set<string>(), volumes: new Set<string>() }
  for (const label of filters) {
    const [containers, networks, volumes] = await Promise.all([
      docker.engine.listContainers({ all: true, filters: { label: [label] } }),
      docker.engine.listNetworks({ filters: { label: [label] } }),
      docker.engine.listVolumes({ filters: { label: [label] } }),
    ])
    for (const { Id, Names, Labels, Mounts } of containers) {
      if (!isMeant(Labels)) continue
      found.containers.add(Names[0]?.slice(1) ?? Id)
      // A container that is created while its cluster is removed brings k3d's volume back, as Docker makes them for a mount: without labels.
      const own = `k3d-${Labels['k3d.cluster']}-images`
      for (const { Name } of Mounts) if (Name === own) found.volumes.add(own)
    }
    for (const { Name, Labels } of networks) if (isMeant(Labels ?? {})) found.networks.add(Name)
    for (const { Name, Labels } of volumes.Volumes ?? []) if (isMeant(Labels ?? {})) found.volumes.add(Name)
  }
  return { containers: [...found.containers], networks: [...found.networks], volumes: [...found.volumes] }
}

export function isEmpty({ containers, networks, volumes }: DockerObjects): boolean {
  return containers.length + networks.length + volumes.length === 0
}

/** Milliseconds for what somebody else is removing already: a container with much on its disk takes an engine minutes at worst. */
const patience = 60_000

/**
 * Removes every container (with its anonymous volumes), network and volume that matches, whatever state it is in:
 * running, half created, being removed by somebody else, or gone already. Waits for an engine that is being restarted.
 * @param limit milliseconds after which nothing is tried again that Docker refuses to remove
 * @throws ClusterTestError `ERR_CLUSTER_LEFTOVERS` that lists what could not be removed
 */
export async function removeByLabel(
  docker: DockerEngine,
  filters: LabelFilters,
  { isMeant, limit = 5_000 }: { readonly isMeant?: IsMeant; readonly limit?: number } = {},
): Promise<void> {
  const { engine } = docker
  const started = performance.now()
  const reasons = new Map<string, unknown>()
  for (let isFirst = true; ; isFirst = false) {
    const found = await untilAnswers(() => listByLabel(docker, filters, isMeant))
    if (isEmpty(found)) return
    // A network, say, is refused for as long as somebody else is removing its container.
    const isUnderWay = reasons.size === 0 || [...reasons.values()].some(isBeingRemoved)
    if (performance.now() - started > (isUnderWay ? patience : limit)) throw leftovers(found, reasons)
    if (!isFirst) await sleep(300)
    reasons.clear()
    const remove = async (name: string, removal: () => Promise<unknown>) => {
      try {
        await removal()
      } catch (error) {
        if (!isNotFound(error)) reasons.set(name, error)
      }
    }
    await Promise.all(found.containers.map((name) => remove(name, () => engine.getContainer(name).remove({ force: true, v: true }))))
    await Promise.all(found.volumes.map((name) => remove(name, () => engine.getVolume(name).remove({ force: true }))))
    // k3d's volumes carry the cluster's name only. If this process is killed, the labels of the network tell whose they are.
    if (found.volumes.some((name) => reasons.has(name))) continue
    await Promise.all(found.networks.map((name) => remove(name, () => removeNetwork(docker, name))))
  }
}

function leftovers({ containers, networks, volumes }: DockerObjects, reasons: ReadonlyMap<string, unknown>): ClusterTestError {
  const names = [...containers, ...networks, ...volumes]
  const why = names.flatMap((name) => (reasons.has(name) ? [`${name}: ${messageOf(reasons.get(name))}`] : []))
  const byHand = Object.entries({ 'docker rm -fv': containers, 'docker network rm': networks, 'docker volume rm': volumes })
  return new ClusterTestError(
    'ERR_CLUSTER_LEFTOVERS',
    `Docker did not remove ${names.map((name) => `"${name}"`).join(', ')}: ${why.join('; ') || 'it accepted the request, but they still exist'}.`,
    {
      hint: `Remove them by hand: ${byHand.flatMap(([command, of]) => (of.length > 0 ? [`${command} ${of.join(' ')}`] : [])).join('; ')}`,
    },
  )
}

/** Removes one container, whatever it is doing, with its anonymous volumes: a node image brings four, and nothing labels them. */
export async function removeContainer(docker: DockerEngine, id: string): Promise<void> {
  try {
    await untilAnswers(() => docker.engine.getContainer(id).remove({ force: true, v: true }))
  } catch (error) {
    if (!isNotFound(error) && !isBeingRemoved(error)) throw error
  }
}

/** A network with foreign containers (a user's own, attached by hand) is left by them first. */
async function removeNetwork(docker: DockerEngine, name: string): Promise<void> {
  const network = docker.engine.getNetwork(name)
  const { Containers } = (await network.inspect()) as { Containers?: Record<string, unknown> }
  for (const container of Object.keys(Containers ?? {})) await network.disconnect({ Container: container, Force: true })
  await network.remove()
}
