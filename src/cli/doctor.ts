import { styleText } from 'node:util'

import { formatTable } from '../support/table.ts'
import { type Check, checkHost } from './checks.ts'
import { type Command, jsonOption } from './command.ts'
import { readHostFacts } from './host-facts.ts'

export const doctor = {
  summary: 'what suites need of this machine, and how to fix what is missing',
  usage: '',
  positionals: [0, 0],
  options: { json: jsonOption },
  async run({ values }, { print, env }) {
    const checks = checkHost(await readHostFacts(env))
    print(values['json'] ? JSON.stringify({ checks }, null, 2) : formatChecks(checks))
    return checks.some(({ status }) => status === 'failed') ? 1 : 0
  },
} as const satisfies Command

const marks: Readonly<Record<Check['status'], string>> = {
  ok: styleText('green', '✓'),
  warning: styleText('yellow', '!'),
  failed: styleText('red', '✗'),
}

export function formatChecks(checks: readonly Check[]): string {
  const rows = checks.flatMap(({ name, status, text, fix }) => [
    [marks[status], name, text],
    ...(fix ? [['', '', styleText('dim', `→ ${fix}`)]] : []),
  ])
  return formatTable(['', '', ''], rows).split('\n').slice(1).join('\n')
}
