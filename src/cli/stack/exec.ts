import { spawnSync } from 'node:child_process'
import type { ReadStream } from 'node:tty'

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
  const terminal = isJson || values['tty'] === false ? undefined : context.terminal
  // From the first key on: what is typed ahead is the command's too.
  using _raw = terminal && rawMode(terminal.input)
  const { exitCode, stdout, stderr } = await execInPod(kube, target, command, {
    input: terminal?.input ?? (values['stdin'] ? process.stdin : undefined),
    onOutput: isJson ? undefined : (chunk, output) => context.write(chunk, output),
    terminal: terminal?.output,
    signal: context.stopSignal(),
  })
  if (isJson) context.print(JSON.stringify({ exitCode, stdout, stderr }))
  return exitCode
}

/** Every key goes to the other end, Ctrl-C included, which does the echo too. Back in its old mode at the end, in every respect. */
function rawMode(input: ReadStream): Disposable {
  input.setRawMode(true)
  // libuv (1.52, uv_tty_set_mode) leaves it to the terminal to begin new lines, which full-screen programs do themselves.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] })
  return {
    [Symbol.dispose]() {
      input.setRawMode(false)
      input.destroy()
    },
  }
}
