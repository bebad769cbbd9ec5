import type { DockerEngine } from '../../docker/docker.ts'
import { lastUseOf } from './last-use.ts'
import { type Template, listTemplates, removeTemplate } from './template.ts'

/** A template and when it was used for the last time, milliseconds since 1970. */
export type UsedTemplate = Template & { readonly lastUse: number }

/** The one that was used last stands first. */
export async function listByUse(docker: DockerEngine): Promise<readonly UsedTemplate[]> {
  const templates = await listTemplates(docker)
  const used = await Promise.all(templates.map(async (each) => ({ ...each, lastUse: (await lastUseOf(each.key)) ?? each.created })))
  return used.toSorted((a, b) => b.lastUse - a.lastUse)
}

/** Removes the templates that were used longest ago, until the others take no more than so many bytes. Resolves to what is removed. */
export async function limitTemplates(docker: DockerEngine, maxSize: number): Promise<readonly Template[]> {
  let total = 0
  const over = (await listByUse(docker)).filter(({ size }, index) => (total += size) > maxSize && index > 0)
  for (const template of over) await removeTemplate(docker, template)
  return over
}
