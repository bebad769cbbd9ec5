import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import open from 'open'

import { ClusterTestError } from '../support/errors.ts'
import type { RunCommand } from './command.ts'

export const report: RunCommand = async ({ positionals: [folder = join('.vitest', 'kubernetes')], values }, { cwd, print, note }) => {
  const path = resolve(cwd, folder, 'report.html')
  if (!(await stat(path, { throwIfNoEntry: false })))
    throw new ClusterTestError('ERR_REPORT_NOT_FOUND', `There is no report at "${path}".`, {
      hint: 'A run that starts a cluster writes it. Run this command in the folder of vitest.config.ts, or name the folder of the reports.',
    })
  if (values['json']) print(JSON.stringify({ path }))
  else if (values['path']) print(path)
  else {
    note(`Opening ${path}`)
    await open(path)
  }
  return 0
}
