import { resolve } from 'node:path'
import { styleText } from 'node:util'

import { ClusterTestError } from '../support/errors.ts'
import { formatTable } from '../support/table.ts'
import { checkContext } from './check-context.ts'
import { type Check, checkHost } from './checks.ts'
import type { CliContext, RunCommand } from './command.ts'
import { readHostFacts } from './host-facts.ts'

export const doctor: RunCommand = async ({ values }, { print, env, cwd }) => {
  const checks = await lookAt(values, env, cwd)
  print(values['json'] ? JSON.stringify({ checks }, null, 2) : formatChecks(checks))
  return checks.some(({ status }) => status === 'failed') ? 1 : 0
}

/** This machine, or an existing cluster. */
async function lookAt(values: Values, env: CliContext['env'], cwd: string): Promise<readonly Check[]> {
  const [kubeconfig, context] = [values['kubeconfig'] as string | undefined, values['context'] as string | undefined]
  if (kubeconfig === undefined && context === undefined) return checkHost(await readHostFacts(env))
  if (kubeconfig === undefined || context === undefined)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'A cluster is named by --kubeconfig and --context together.', {
      hint: 'Suites never use the current context by accident: doctor --kubeconfig ~/.kube/config --context staging',
    })
  const namespaces = (values['namespaces'] as readonly string[] | undefined) ?? []
  return checkContext({ kubeconfig: kubeconfig.startsWith('~/') ? kubeconfig : resolve(cwd, kubeconfig), context, namespaces })
}

type Values = Parameters<RunCommand>[0]['values']

const marks: Readonly<Record<Check['status'], string>> = {
  ok: styleText('green', '✓'),
  info: styleText('dim', '·'),
  warning: styleText('yellow', '!'),
  failed: styleText('red', '✗'),
}

export function formatChecks(checks: readonly Check[]): string {
  const rows = checks.flatMap(({ name, status, text, fix }) => [
    [marks[status], name, text],
    ...(fix ? [['', '', styleText('dim', `→ ${fix}`)]] : []),
  ])
  const table = formatTable(['', '', ''], rows).split('\n').slice(1).join('\n')
  return `${table}\n\n${countOf(checks)}`
}

/** `9 passed, 1 warning, 2 failed. Suites cannot run until what failed is fixed.` */
function countOf(checks: readonly Check[]): string {
  const count = (status: Check['status']) => checks.filter((check) => check.status === status).length
  const [ok, info, warnings, failed] = [count('ok'), count('info'), count('warning'), count('failed')]
  const parts = [
    `${ok} passed`,
    ...(info > 0 ? [`${info} optional not found`] : []),
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
    `${failed} failed`,
  ]
  return `${parts.join(', ')}. ${failed > 0 ? 'Suites cannot run until you fix what failed.' : 'Suites can run.'}`
}
