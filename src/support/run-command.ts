import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { ClusterTestError } from './errors.ts'

export interface RunCommandOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal | undefined
  /** Written to the command's standard input. */
  readonly input?: Readable
  /** Called for each line of both outputs as it arrives. */
  readonly onLine?: (line: string) => void
  /** Called with the child's pid once it runs, and again when it has ended. */
  readonly onChild?: (event: 'started' | 'ended', pid: number) => void
}

/** How a command ended: with a code, or by a signal; with neither when it could not be started. */
interface Ending {
  readonly exitCode?: number | undefined
  readonly endedBy?: NodeJS.Signals | undefined
}

/** A command that ended with a code other than 0 or by a signal, or that could not be started. */
export class CommandError extends ClusterTestError {
  readonly exitCode: number | undefined
  readonly endedBy: NodeJS.Signals | undefined
  /** Standard output and standard error in the order of arrival. */
  readonly output: string

  constructor(command: string, args: readonly string[], { exitCode, endedBy }: Ending, output: string, cause?: unknown) {
    const why = endedBy ? `was ended by ${endedBy}` : exitCode === undefined ? 'could not be run' : `ended with exit code ${exitCode}`
    const tail = output.trimEnd().split('\n').slice(-20).join('\n')
    super('ERR_COMMAND_FAILED', `Command "${[command, ...args].join(' ')}" ${why}.${tail && `\n${tail}`}`, { cause })
    this.exitCode = exitCode
    this.endedBy = endedBy
    this.output = output
  }
}

/**
 * Runs a program with an argument array, never through a shell, and resolves to its standard output.
 * The child dies with the signal; nothing is inherited but the environment.
 */
export async function runCommand(command: string, args: readonly string[], options: RunCommandOptions = {}): Promise<string> {
  const { env, signal, input, onLine, onChild } = options
  signal?.throwIfAborted()
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  const kill = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', kill, { once: true })
  if (child.pid) onChild?.('started', child.pid)

  let stdout = ''
  let output = ''
  const collect = (stream: Readable, isStdout: boolean) => {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      output += text
      if (isStdout) stdout += text
    })
    if (onLine) createInterface(stream).on('line', onLine)
  }
  collect(child.stdout!, true)
  collect(child.stderr!, false)

  const fed = input ? pipeline(input, child.stdin!) : Promise.resolve()
  const inputError = fed.then(
    () => undefined,
    (error: unknown) => error,
  )
  try {
    const ending = await new Promise<Ending>((resolve, reject) => {
      child.once('error', (error) => reject(new CommandError(command, args, {}, output, error)))
      child.once('close', (exitCode, endedBy) => resolve({ exitCode: exitCode ?? undefined, endedBy: endedBy ?? undefined }))
    })
    signal?.throwIfAborted()
    if (ending.exitCode !== 0) throw new CommandError(command, args, ending, output, await inputError)
    const failed = await inputError
    if (failed) throw new CommandError(command, args, ending, output, failed)
    return stdout
  } finally {
    signal?.removeEventListener('abort', kill)
    if (child.pid) onChild?.('ended', child.pid)
  }
}
