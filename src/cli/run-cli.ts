import { CommanderError } from 'commander'

import { ClusterTestError, serializeError } from '../support/errors.ts'
import type { CliContext, CliOptions } from './command.ts'
import { createProgram } from './program.ts'

/** Runs one command line and resolves to the exit code: 0 success, 1 failure, 2 invalid usage. */
export async function runCli(all: readonly string[], options: CliOptions): Promise<number> {
  const never = new AbortController().signal
  const context: CliContext = {
    write: (chunk, output) => process[output].write(chunk),
    stopSignal: () => never,
    terminal: undefined,
    ...options,
  }
  let exitCode = 0
  // What follows is another program's; `complete` has its own use for it.
  const end = all[0] === 'complete' ? -1 : all.indexOf('--')
  const argv = end < 0 ? all : all.slice(0, end)
  try {
    const program = await createProgram({
      context,
      commandLine: end < 0 ? [] : all.slice(end + 1),
      run: async ({ load }, args) => {
        exitCode = await (await load())(args, context)
      },
    })
    await program.parseAsync(argv.length > 0 ? argv : ['--help'], { from: 'user' })
    return exitCode
  } catch (error) {
    // Help and version are thrown too, once they are printed.
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const shown = error instanceof CommanderError ? usageError(error, argv) : error
    context.note(argv.includes('--json') ? JSON.stringify({ error: serializeError(shown) }) : textOf(shown))
    return shown instanceof ClusterTestError && shown.code === 'ERR_OPTIONS_INVALID' ? 2 : 1
  }
}

/** `error: unknown option '--jsn'\n(Did you mean --json?)` as an error of ours. */
function usageError({ message }: CommanderError, [command = '']: readonly string[]): ClusterTestError {
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n')
  const help = /^[a-z]/.test(command) && !first.includes('unknown command') ? ` help ${command}` : ' --help'
  const hint = `${suggestion ? `${suggestion.slice(1, -1)} ` : ''}See: npx vitest-kubernetes${help}`
  return new ClusterTestError('ERR_OPTIONS_INVALID', `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.?$/, '.')}`, { hint })
}

/** Ours speak for themselves; any other is a fault of the program, and its frames are what helps. */
function textOf(error: unknown): string {
  if (error instanceof ClusterTestError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
