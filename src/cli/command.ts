import type { ReadStream, WriteStream } from 'node:tty'

/** A terminal that a command may hand over to another program. */
export interface Terminal {
  readonly input: ReadStream
  readonly output: WriteStream
}

/** Where a command writes, and what it reads besides its arguments. */
export interface CliContext extends Required<CliOptions> {}

export interface CliOptions {
  /** A line of the result: standard output. */
  readonly print: (line: string) => void
  /** A line about the result: standard error. */
  readonly note: (line: string) => void
  /** What a program that the command runs prints, as it is. @default to standard output and error */
  readonly write?: (chunk: string | Uint8Array, output: 'stdout' | 'stderr') => void
  /** Where people type and read, if both are at one. @default undefined */
  readonly terminal?: Terminal | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** For commands that end by themselves on Ctrl-C, with what they have started: all others are ended at once. @default never aborts */
  readonly stopSignal?: () => AbortSignal
}

/** One command of the program, as help, completion and the docs show it. */
export interface CommandDefinition {
  /** In the imperative: `List the clusters of all runs`. */
  readonly summary: string
  /** `[cluster]`, `[images...]`, each with what it is. */
  readonly args?: Readonly<Record<string, string>>
  /** `-n, --namespace <name>`, each with what it does. `--json` is added to every command. */
  readonly options?: Readonly<Record<string, string>>
  /** Command lines without the program's name, each with what it does. */
  readonly examples: Readonly<Record<string, string>>
  /** The command itself, with all of Docker's and Kubernetes' clients: loaded when it runs. */
  readonly load: () => Promise<RunCommand>
}

/** Resolves to the exit code. */
export type RunCommand = (args: CommandArgs, context: CliContext) => Promise<number>

export interface CommandArgs {
  readonly positionals: readonly string[]
  /** What follows `--`: a command line. */
  readonly command: readonly string[]
  /** By the option's long name in camel case: `dryRun`. A list for one that takes several values. */
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
}
