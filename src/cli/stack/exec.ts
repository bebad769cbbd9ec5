import { findExecTarget } from '../../kube/exec-target.ts'
import { execInPod } from '../../kube/exec.ts'
import { workloadOf } from '../../stack/services/check-services.ts'
import { ClusterTestError } from '../../support/errors.ts'
import type { RunCommand } from '../command.ts'
import { findUpStack, openStack } from './open-stack.ts'

export const exec: RunCommand = async ({ positionals: [workload = ''], command, values }, context) => {
  if (command.length === 0)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'Expected a command after --, got none.', {
      hint: `npx vitest-kubernetes exec ${workload} -- env`,
    })
  const text = (name: string) => values[name] as string | undefined
  const kept = await findUpStack(text('stack'), context)
  await using opened = await openStack(kept, context)
  const { kube, options } = opened
  const namespace = text('namespace') ?? opened.namespace
  const target = await findExecTarget(kube, { namespace, workload: workloadOf(workload, options.services), container: text('container') })
  const isJson = Boolean(values['json'])
  const { exitCode, stdout, stderr } = await execInPod(kube, target, command, {
    input: values['stdin'] ? process.stdin : undefined,
    onOutput: isJson ? undefined : (chunk, output) => context.write(chunk, output),
    signal: context.stopSignal(),
  })
  if (isJson) context.print(JSON.stringify({ exitCode, stdout, stderr }))
  return exitCode
}
