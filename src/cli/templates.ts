import { type UsedTemplate, listByUse } from '../cluster/template/limit-templates.ts'
import { removeTemplate } from '../cluster/template/template.ts'
import { connectDocker } from '../docker/docker.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatAge, formatBytes, formatList } from '../support/format.ts'
import { formatTable } from '../support/table.ts'
import type { RunCommand } from './command.ts'

export const templates: RunCommand = async ({ positionals, values }, { print }) => {
  const docker = await connectDocker()
  const chosen = choose(await listByUse(docker), positionals)
  const isRemoval = Boolean(values['remove'])
  for (const template of isRemoval ? chosen : []) await removeTemplate(docker, template)
  if (values['json']) print(JSON.stringify({ removed: isRemoval, templates: chosen.map(describe) }, null, 2))
  else if (chosen.length === 0) print('There are no templates.')
  else if (isRemoval) for (const { key, name, size } of chosen) print(`removed ${key} of "${name}", ${formatBytes(size)}`)
  else print(formatTemplates(chosen))
  return 0
}

/** Keys as far as they tell one from the others, or suites. */
function choose(all: readonly UsedTemplate[], wanted: readonly string[]): readonly UsedTemplate[] {
  const matches = (text: string) => all.filter(({ key, name }) => name === text || (text !== '' && key.startsWith(text)))
  for (const each of wanted)
    if (matches(each).length === 0)
      throw new ClusterTestError('ERR_CLUSTER_NOT_FOUND', `There is no template "${each}".`, {
        hint: `There are ${formatList(all.map(({ key, name }) => `${key} of "${name}"`))}.`,
      })
  return wanted.length === 0 ? all : [...new Set(wanted.flatMap(matches))]
}

function formatTemplates(all: readonly UsedTemplate[], now = Date.now()): string {
  const rows = all.map(({ key, name, nodes, size, created, lastUse }) => [
    key,
    name,
    String(nodes.length),
    formatBytes(size),
    formatAge(now - created),
    `${formatAge(now - lastUse)} ago`,
  ])
  const total = all.reduce((sum, { size }) => sum + size, 0)
  return `${formatTable(['template', 'suite', 'nodes', 'size', 'age', 'last used'], rows, [2, 3, 4])}\n\n${formatBytes(total)} in all. To remove them: npx vitest-kubernetes templates --remove`
}

/** Without what is in it: its nodes have tokens, and maybe a proxy's password. */
function describe({ key, name, volume, size, created, lastUse, images, nodes }: UsedTemplate) {
  const times = { created: new Date(created).toISOString(), lastUse: new Date(lastUse).toISOString() }
  return { key, suite: name, volume, size, ...times, nodes: nodes.length, images: Object.keys(images) }
}
