import type { Docker, DockerEngine } from '../../docker/docker.ts'
import { isConflict, isNotFound } from '../../docker/docker.ts'
import { randomId } from '../../support/identity.ts'
import { type Owner, isOwnerDead, ownerLabel } from '../ownership/owner.ts'
import { forgetUse } from './last-use.ts'
import type { TemplateNode } from './template-node.ts'

/**
 * A cluster with everything that was deployed and stored in it, at a moment. It is two Docker volumes: one with the nodes' files, and an
 * empty one that describes it. The second is made last, by one request, so that there is no template that is not whole; its name is the
 * key, so that of two runs which make the same one, one wins.
 */
export interface Template {
  readonly key: string
  /** For people. */
  readonly name: string
  /** Volume with the files of the nodes: a folder for each, by its hostname. */
  readonly volume: string
  readonly kubeconfig: string
  /** Bytes on disk. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly created: number
  /** The server first. */
  readonly nodes: readonly TemplateNode[]
  /** Of the network that the template's cluster was in. */
  readonly gateway: string
  /** UIDs of its pods, and ids of their containers: to tell whether all is there that was, and what has started since. */
  readonly pods: readonly string[]
  readonly containers: readonly string[]
  /** What its nodes have: id by name. */
  readonly images: Readonly<Record<string, string>>
}

const keyLabel = 'vitest-kubernetes.template'
const descriptionLabel = 'vitest-kubernetes.template.description'
const filesLabel = 'vitest-kubernetes.template.files'
const makerLabel = 'vitest-kubernetes.template.maker'

const volumeOf = (key: string) => `vitest-kubernetes-template-${key}`

/** Creates the volume for the files of a template. It belongs to no run: until it is described, `removeUnfinished` takes it for a half one. */
export async function createTemplateVolume({ engine }: Docker, { labels }: Owner): Promise<string> {
  const name = `vitest-kubernetes-template-files-${randomId(6)}`
  await engine.createVolume({ Name: name, Labels: { [filesLabel]: '', [makerLabel]: labels[ownerLabel] ?? '' } })
  return name
}

/** Makes a template of what is in its volume. Where another run was faster, that one's counts. */
export async function describeTemplate({ engine }: Docker, template: Template): Promise<void> {
  const Labels = { [keyLabel]: template.key, [descriptionLabel]: JSON.stringify(template) }
  // For a name that there is already Docker answers with that volume.
  await engine.createVolume({ Name: volumeOf(template.key), Labels })
}

export async function findTemplate({ engine }: DockerEngine, key: string): Promise<Template | undefined> {
  try {
    return parse((await engine.getVolume(volumeOf(key)).inspect()).Labels)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** The newest first. */
export async function listTemplates({ engine }: DockerEngine): Promise<readonly Template[]> {
  const { Volumes } = await engine.listVolumes({ filters: { label: [keyLabel] } })
  return (Volumes ?? []).flatMap(({ Labels }) => parse(Labels) ?? []).toSorted((a, b) => b.created - a.created)
}

/** Nothing is forked from it from now on. Its files stay for as long as clusters have them, and go by `removeUnfinished` after that. */
export async function removeTemplate(docker: DockerEngine, { key, volume }: Pick<Template, 'key' | 'volume'>): Promise<void> {
  await removeVolume(docker, volumeOf(key))
  await removeVolume(docker, volume)
  await forgetUse(key)
}

/** Removes what was begun by runs of this host that died. */
export async function removeUnfinished(docker: DockerEngine): Promise<void> {
  for (const volume of await listUnfinished(docker)) await removeVolume(docker, volume)
}

/** Volumes of runs of this host that died, of which no template was made. */
export async function listUnfinished(docker: DockerEngine): Promise<readonly string[]> {
  const { Volumes } = await docker.engine.listVolumes({ filters: { label: [filesLabel] } })
  // Asked for after the volumes: one that was described meanwhile is not taken for a half one.
  const whole = new Set((await listTemplates(docker)).map(({ volume }) => volume))
  return (Volumes ?? []).flatMap(({ Name, Labels }) => (!whole.has(Name) && isOwnerDead(Labels[makerLabel] ?? '') ? [Name] : []))
}

/** What a cluster does at its end with a volume of which no template was made. */
export async function removeUnlessDescribed(docker: DockerEngine, volume: string): Promise<void> {
  const templates = await listTemplates(docker)
  if (!templates.some((template) => template.volume === volume)) await removeVolume(docker, volume)
}

/** Unless a container uses it. */
async function removeVolume({ engine }: DockerEngine, name: string): Promise<void> {
  try {
    await engine.getVolume(name).remove()
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error
  }
}

/** undefined for a label that is none of ours. */
function parse(labels: Readonly<Record<string, string>> | null): Template | undefined {
  try {
    return JSON.parse(labels?.[descriptionLabel] ?? '') as Template
  } catch {
    return undefined
  }
}
