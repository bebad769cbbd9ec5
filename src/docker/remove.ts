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
    for (const { Id, Names, Labels } of containers) if (isMeant(Labels)) found.containers.add(Names[0]?.slice(1) ?? Id)
    for (const { Name, Labels } of networks) if (isMeant(Labels ?? {})) found.networks.add(Name)
    for (const { Name, Labels } of volumes.Volumes ?? []) if (isMeant(Labels ?? {})) found.volumes.add(Name)
  }
  return { containers: [...found.containers], networks: [...found.networks], volumes: [...found.volumes] }
}

export function isEmpty({ containers, networks, volumes }: DockerObjects): boolean {
  return containers.length + networks.length + volumes.length === 0
}

/**
 * Removes every container (with its anonymous volumes), network and volume that matches, whatever state it is in:
 * running, half created, being removed by somebody else, or gone already. Waits for an engine that is being restarted.
 * @throws ClusterTestError `ERR_CLUSTER_LEFTOVERS` that lists what could not be removed
 */
export async function removeByLabel(
  docker: DockerEngine,
  filters: LabelFilters,
  { isMeant, attempts = 10 }: { readonly isMeant?: IsMeant; readonly attempts?: number } = {},
): Promise<void> {
  const failures = new Map<string, unknown>()
  for (let attempt = 1; ; attempt++) {
    const found = await untilAnswers(() => listByLabel(docker, filters, isMeant))
    if (isEmpty(found)) return
    if (attempt > attempts) {
      const names = [...found.containers, ...found.networks, ...found.volumes]
      const why = [...failures].filter(([name]) => names.includes(name)).map(([name, error]) => `${name}: ${messageOf(error)}`)
      throw new ClusterTestError(
        'ERR_CLUSTER_LEFTOVERS',
        `Docker did not remove ${names.map((name) => `"${name}"`).join(', ')}: ${why.join('; ') || 'no reason given'}.`,
        {
          hint: `Remove them by hand: docker rm -fv ${found.containers.join(' ')}; docker network rm ${found.networks.join(' ')}; docker volume rm ${found.volumes.join(' ')}`,
        },
      )
    }
    failures.clear()
    const remove = async (name: string, removal: () => Promise<unknown>) => {
      try {
        await removal()
      } catch (error) {
        if (!isNotFound(error) && !isBeingRemoved(error)) failures.set(name, error)
      }
    }
    await Promise.all(found.containers.map((name) => remove(name, () => docker.engine.getContainer(name).remove({ force: true, v: true }))))
    await Promise.all(found.networks.map((name) => remove(name, () => removeNetwork(docker, name))))
    await Promise.all(found.volumes.map((name) => remove(name, () => docker.engine.getVolume(name).remove({ force: true }))))
    if (failures.size > 0 || attempt > 1) await sleep(300)
  }
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
