import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'

import { ClusterTestError, messageOf, serializeError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { CliContext, Command, CommandArgs } from './command.ts'
import { formatCommandHelp, formatHelp } from './help.ts'

/** Loaded when asked for: help needs neither Docker's nor Kubernetes' client. */
export const commands: Readonly<Record<string, () => Promise<Command>>> = {
  list: async () => (await import('./list.ts')).list,
  logs: async () => (await import('./logs.ts')).logs,
  prune: async () => (await import('./prune.ts')).prune,
  images: async () => (await import('./images.ts')).images,
  doctor: async () => (await import('./doctor.ts')).doctor,
}

/** Runs one command line and resolves to the exit code: 0, 1 for what failed, 2 for a command line that cannot be meant. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  const [name = '--help', ...rest] = argv
  const isJson = rest.includes('--json')
  try {
    if (['--help', '-h', 'help'].includes(name)) return await printHelp(context)
    if (['--version', '-v'].includes(name)) return await printVersion(context)
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!load) throw usageError(`There is no command "${name}".`, `Commands are ${formatList(Object.keys(commands))}.`)
    const command = await load()
    if (rest.includes('--help') || rest.includes('-h')) {
      context.print(formatCommandHelp(name, command))
      return 0
    }
    return await command.run(parseCommandLine(name, command, rest), context)
  } catch (error) {
    context.note(isJson ? JSON.stringify({ error: serializeError(error) }) : textOf(error))
    return error instanceof ClusterTestError && error.code === 'ERR_OPTIONS_INVALID' ? 2 : 1
  }
}

function parseCommandLine(name: string, { options, positionals: [least, most], usage }: Command, args: readonly string[]): CommandArgs {
  const hint = `See: vitest-kubernetes ${name} --help`
  const { values, positionals } = parseStrictly(args, options, hint)
  if (positionals.length < least) throw usageError(`Expected vitest-kubernetes ${name} ${usage}: an argument is missing.`, hint)
  if (positionals.length > most) throw usageError(`Command "${name}" has no use for "${positionals[most]}".`, hint)
  return { values, positionals }
}

function parseStrictly(args: readonly string[], options: Command['options'], hint: string) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw usageError(messageOf(error).replace(/\.?$/, '.'), hint)
  }
}

async function printHelp({ print }: CliContext): Promise<number> {
  const loaded = await Promise.all(Object.entries(commands).map(async ([name, load]) => [name, await load()] as const))
  print(formatHelp(loaded))
  return 0
}

/** The same path from the source and from what is published. */
async function printVersion({ print }: CliContext): Promise<number> {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  print(version)
  return 0
}

function usageError(message: string, hint: string): ClusterTestError {
  return new ClusterTestError('ERR_OPTIONS_INVALID', message, { hint })
}

/** Ours speak for themselves; any other is a fault of the program, and its frames are what helps. */
function textOf(error: unknown): string {
  if (error instanceof ClusterTestError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
