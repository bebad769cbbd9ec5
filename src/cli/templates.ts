import { mkdir, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { createOwner } from '../cluster/ownership/owner.ts'
import { type UsedTemplate, listByUse } from '../cluster/template/limit-templates.ts'
import { exportTemplate, importTemplate } from '../cluster/template/template-file.ts'
import { removeTemplate } from '../cluster/template/template.ts'
import { type Docker, connectDocker } from '../docker/docker.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { formatAge, formatBytes, formatList } from '../support/format.ts'
import { slug } from '../support/identity.ts'
import { formatTable } from '../support/table.ts'
import type { CliContext, RunCommand } from './command.ts'

export const templates: RunCommand = async ({ positionals, values }, context) => {
  const { print } = context
  const [folder, paths] = [values['export'] as string | undefined, values['import'] as readonly string[] | undefined]
  const wanted = ['remove', 'export', 'import'].filter((name) => values[name] !== undefined)
  if (wanted.length > 1 || (paths && positionals.length > 0))
    throw new ClusterTestError(
      'ERR_OPTIONS_INVALID',
      'Of --remove, --export and --import only one can be given, and --import no template.',
      {
        hint: 'Run the command once for each of them.',
      },
    )
  const docker = await connectDocker()
  if (paths) return importAll(docker, paths, values, context)
  const chosen = choose(await listByUse(docker), positionals)
  if (folder !== undefined) return exportAll(docker, chosen, resolve(context.cwd, folder), values, context)
  const isRemoval = Boolean(values['remove'])
  for (const template of isRemoval ? chosen : []) await removeTemplate(docker, template)
  if (values['json']) print(JSON.stringify({ removed: isRemoval, templates: chosen.map(describe) }, null, 2))
  else if (chosen.length === 0) print('There are no templates.')
  else if (isRemoval) for (const { key, name, size } of chosen) print(`removed ${key} of "${name}", ${formatBytes(size)}`)
  else print(formatTemplates(chosen))
  return 0
}

type Values = Parameters<RunCommand>[0]['values']

/** A file's name has the key of what is in it: one that is there already is the same. */
async function exportAll(docker: Docker, chosen: readonly UsedTemplate[], folder: string, { json }: Values, context: CliContext) {
  const { print, stopSignal } = context
  const options = { owner: createOwner(), signal: stopSignal() }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected --export to be a folder, got "${folder}": ${messageOf(error)}.`, {
      cause: error,
    })
  })
  const exported = []
  for (const { lastUse: _ofThisMachine, ...template } of chosen) {
    const { key, name } = template
    const file = join(folder, `${slug(name, 40)}-${key}${ending}`)
    const known = await sizeOf(file)
    const size = known ?? (await exportTemplate(docker, template, file, options))
    exported.push({ key, suite: name, file, size, isNew: known === undefined })
    if (!json) print(`${known === undefined ? 'exported' : 'is there:'} ${key} of "${name}": ${file}, ${formatBytes(size)}`)
  }
  if (json) print(JSON.stringify({ exported }, null, 2))
  else if (chosen.length === 0) print('There are no templates.')
  return 0
}

const ending = '.tar.zst'

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch {
    return undefined
  }
}

async function importAll(docker: Docker, paths: readonly string[], { json }: Values, { cwd, print, stopSignal }: CliContext) {
  const files = (await Promise.all(paths.map((path) => filesAt(resolve(cwd, path))))).flat()
  const options = { owner: createOwner(), signal: stopSignal() }
  const imported = []
  for (const file of files) {
    const { template, isNew } = await importTemplate(docker, file, options)
    const { key, name, size } = template
    imported.push({ key, suite: name, file, size, isNew })
    if (!json) print(`${isNew ? 'imported' : 'is there:'} ${key} of "${name}", ${formatBytes(size)}`)
  }
  if (json) print(JSON.stringify({ imported }, null, 2))
  else if (files.length === 0) print('There are no templates.')
  return 0
}

/** A file, or all templates of a folder. */
async function filesAt(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    return (await readdir(path))
      .filter((name) => name.endsWith(ending))
      .toSorted()
      .map((name) => join(path, name))
  } catch (error) {
    throw new ClusterTestError('ERR_TEMPLATE_INVALID', `"${path}" cannot be read: ${messageOf(error)}.`, {
      cause: error,
      hint: 'Pass files that --export has written, or their folder.',
    })
  }
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
