import { rewriteNames } from '../../bridge/side/host-env.ts'
import { formatEnv, serviceEnv } from '../../client/service-env.ts'
import type { RunCommand } from '../command.ts'
import { findUpStack, openStack } from './open-stack.ts'

export const env: RunCommand = async ({ positionals: [workload], values }, context) => {
  const kept = await findUpStack(values['stack'] as string | undefined, context)
  const nothing = { output: () => {}, ended: () => {} }
  await using opened = await openStack(kept, context, workload === undefined ? undefined : nothing)
  const { addresses, namespace, cluster } = opened
  const variables = workload === undefined ? serviceEnv(opened) : rewriteNames(await cluster.env(workload), addresses, namespace)
  const lines = Object.entries(variables).map(([name, value]) => formatEnv(name, value))
  context.print(values['json'] ? JSON.stringify(variables, null, 2) : lines.join('\n'))
  return 0
}
