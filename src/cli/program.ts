import { readFile } from 'node:fs/promises'

import tab from '@bomb.sh/tab/commander'
import { Command } from 'commander'

import type { CliContext, CommandArgs, CommandDefinition } from './command.ts'
import { commands } from './commands.ts'

export interface ProgramOptions {
  readonly context: CliContext
  readonly run: (definition: CommandDefinition, args: CommandArgs) => Promise<void>
  /** What follows `--`. */
  readonly commandLine: readonly string[]
}

/** The command line as commander knows it: help, suggestions, and scripts for completion come from here. */
export async function createProgram({ context, run, commandLine }: ProgramOptions): Promise<Command> {
  const program = new Command('vitest-kubernetes')
    .description('Manages the clusters of vitest-kubernetes on this machine.')
    .version(await readVersion(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'Show help for a command')
    .showSuggestionAfterError()
    .exitOverride()
    // What commander would print as an error is thrown as one, and printed by whoever called.
    .configureOutput({ writeOut: (text) => context.print(text.trimEnd()), writeErr: () => {}, getOutHelpWidth: () => 100 })
    .addHelpText('after', '\nExit codes: 0 success, 1 failure, 2 invalid usage.')
  for (const [name, definition] of Object.entries(commands)) addCommand(program, name, definition, { run, commandLine })
  tab(program)
  return program
}

function addCommand(
  program: Command,
  name: string,
  definition: CommandDefinition,
  { run, commandLine }: Pick<ProgramOptions, 'run' | 'commandLine'>,
): void {
  const { summary, args = {}, options = {}, examples } = definition
  const command = program.command(name).description(`${summary}.`).summary(summary)
  for (const [arg, help] of Object.entries(args)) command.argument(arg, help)
  for (const [flags, help] of Object.entries(options)) command.option(flags, help)
  command.option('--json', 'print JSON')
  const lines = Object.entries(examples).map(([line, meaning]) => [`  npx vitest-kubernetes ${line}`, meaning] as const)
  const width = Math.max(...lines.map(([line]) => line.length))
  command.addHelpText('after', `\nExamples:\n${lines.map(([line, meaning]) => `${line.padEnd(width)}  # ${meaning}`).join('\n')}`)
  command.action(() => run(definition, { positionals: command.args, values: command.opts(), command: commandLine }))
}

/** The same path from the source and from what is published. */
async function readVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
