import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'

import { ClusterTestError } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'
import { formatTable } from '../../support/table.ts'
import type { CliContext, RunCommand } from '../command.ts'
import { type Change, planInit } from './plan.ts'
import { type Survey, exists, surveyRepository } from './survey.ts'

export const init: RunCommand = async ({ positionals: [where = '.'], values }, context) => {
  const folder = resolve(context.cwd, where)
  if (!(await exists(join(folder, 'package.json'))))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `There is no package.json in "${folder}".`, {
      hint: 'Run init in the root of your repository, or name its folder. "npm init" makes a package.json.',
    })
  const survey = await surveyRepository(folder)
  const { changes, next } = await planInit(survey)
  const isDryRun = Boolean(values['dryRun'])
  const isWanted =
    !isDryRun && (Boolean(values['yes']) || Boolean(values['json']) || changes.length === 0 || (await confirm(survey, changes, context)))
  if (isWanted) for (const change of changes) await write(folder, change)
  if (values['json']) {
    const { folder: _, ...found } = survey
    context.print(
      JSON.stringify({ dryRun: isDryRun, found, changes: changes.map(({ content: _content, ...change }) => change), next }, null, 2),
    )
  } else {
    if (isDryRun || values['yes']) context.print(describe(survey, changes))
    if (changes.length === 0) context.print('Nothing to do: the plugin, a first suite and the ignore files are there.')
    else if (isWanted) context.print(`Wrote ${changes.length} ${changes.length === 1 ? 'file' : 'files'}.`)
    else if (!isDryRun) context.print('Nothing was written.')
    if (isWanted) context.print(`\nNext:\n${next.map((line) => `  ${line}`).join('\n')}`)
  }
  return 0
}

async function write(folder: string, { path, kind, content }: Change): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), content, { flag: kind === 'create' ? 'wx' : 'w' })
}

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` where nobody can answer */
async function confirm(survey: Survey, changes: readonly Change[], { print }: CliContext): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'Nobody can be asked: standard input is not a terminal.', {
      hint: 'Pass --yes to write the files, or --dry-run to see what would be written.',
    })
  print(describe(survey, changes))
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await lines.question('Write these files? (Y/n) ')
    return /^(y|yes)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}

function describe({ images, manifests, overlays, charts, services }: Survey, changes: readonly Change[]): string {
  const found = [
    ['images', images],
    ['manifests', manifests],
    ['Kustomize', overlays],
    ['charts', charts],
    ['services', services],
  ] as const
  const rows = found.filter(([, names]) => names.length > 0).map(([what, names]) => [`  ${what}`, formatList(names)])
  const list = (table: readonly (readonly string[])[]) => formatTable(['', '', ''], table).split('\n').slice(1).join('\n')
  return [
    ...(rows.length > 0 ? ['Found:', list(rows), ''] : []),
    ...(changes.length > 0 ? ['Files:', list(changes.map(({ kind, path, text }) => [`  ${kind}`, path, text])), ''] : []),
  ].join('\n')
}
