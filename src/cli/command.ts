import type { ParseArgsConfig } from 'node:util'

/** Where a command writes, and what it reads besides its arguments. */
export interface CliContext {
  /** A line of the result: standard output. */
  readonly print: (line: string) => void
  /** A line about the result: standard error. */
  readonly note: (line: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** One command of the program. */
export interface Command {
  readonly summary: string
  /** Positional arguments as help shows them: `<cluster> [workload…]`. */
  readonly usage: string
  /** How many positional arguments there may be. */
  readonly positionals: readonly [least: number, most: number]
  readonly options: Readonly<Record<string, CommandOption>>
  /** Resolves to the exit code. */
  run(args: CommandArgs, context: CliContext): Promise<number>
}

export type CommandOption = NonNullable<ParseArgsConfig['options']>[string] & {
  readonly help: string
  /** What the value is, for help: `lines`. */
  readonly value?: string
}

export interface CommandArgs {
  readonly positionals: readonly string[]
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>
}

/** Every command has it. */
export const jsonOption = { type: 'boolean', help: 'print JSON' } as const satisfies CommandOption
