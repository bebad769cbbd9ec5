import { kubectlFor } from '../../engine/keep.ts'
import type { RunCommand } from '../command.ts'
import { bringUp } from './bring-up.ts'
import { describeUp, formatUp } from './describe-up.ts'
import { findStack } from './find-stacks.ts'
import { openStack } from './open-stack.ts'

export const up: RunCommand = async ({ positionals, values }, context) => {
  const stack = await findStack(positionals[0], context.cwd)
  const kept = await bringUp(stack, { ifUp: values['recreate'] ? 'recreate' : 'update', context })
  await using opened = await openStack(kept, context)
  const state = describeUp(kept, opened)
  context.print(values['json'] ? JSON.stringify(state, null, 2) : formatUp(state, kubectlFor(kept, opened.areElsewhere)))
  return 0
}
