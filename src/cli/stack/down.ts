import { listUp } from '../../cluster/ownership/kept-clusters.ts'
import { connectDocker } from '../../docker/docker.ts'
import { createTerminalProgress } from '../../support/terminal.ts'
import type { RunCommand } from '../command.ts'
import { takeDown } from './bring-up.ts'
import { findUpStack } from './open-stack.ts'

export const down: RunCommand = async ({ positionals: [wanted], values }, context) => {
  const docker = await connectDocker()
  const stacks = values['all'] ? await listUp(docker) : [await findUpStack(wanted, context)]
  for (const kept of stacks) await takeDown(docker, kept, createTerminalProgress(context.note)(kept.stack.name))
  const names = stacks.map(({ stack }) => stack.name)
  if (values['json']) context.print(JSON.stringify({ down: names }))
  else if (names.length === 0) context.print('No stack is up.')
  return 0
}
