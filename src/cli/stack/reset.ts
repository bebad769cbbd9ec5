import { resettable } from '../../seed/reset.ts'
import { counted } from '../../support/format.ts'
import type { RunCommand } from '../command.ts'
import { findUpStack, openStack } from './open-stack.ts'

export const reset: RunCommand = async ({ positionals, values }, context) => {
  const kept = await findUpStack(values['stack'] as string | undefined, context)
  await using opened = await openStack(kept, context)
  const { cluster, options } = opened
  const started = performance.now()
  if (positionals.length === 0) await cluster.reset()
  for (const store of positionals) await cluster.reset(store)
  const stores = positionals.length === 0 ? resettable(options) : positionals
  const duration = Math.round(performance.now() - started)
  context.print(values['json'] ? JSON.stringify({ reset: stores, duration }) : `reset ${counted(stores.length, 'store')} in ${duration} ms`)
  return 0
}
