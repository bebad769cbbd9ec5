import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import { ClusterTestError } from '../support/errors.ts'
import type { ShellScript } from '../support/shell-script.ts'
import { demultiplex } from './demultiplex.ts'
import type { Docker } from './docker.ts'

export interface ExecOptions {
  /** Milliseconds after which the command is waited for no longer. The command itself may go on. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
  /** Written to the command's standard input. */
  readonly input?: Readable
}

/**
 * Runs a command or a script in a running container and resolves to its standard output as text.
 * @throws ClusterTestError `ERR_DOCKER_REQUEST_FAILED` when its exit code is not 0, or when it takes too long
 */
export async function execInContainer(
  docker: Docker,
  container: string,
  command: readonly string[] | ShellScript,
  options: ExecOptions,
): Promise<string> {
  return (await buffer(await execForStream(docker, container, command, options))).toString()
}

/** The same, as it comes: what the command prints waits until it is read. The stream fails at its end when the exit code is not 0. */
export async function execForStream(
  docker: Docker,
  container: string,
  command: readonly string[] | ShellScript,
  { timeout, signal, input }: ExecOptions,
): Promise<Readable> {
  signal?.throwIfAborted()
  const what = `${describe(command)} in container "${container}"`
  const limit = AbortSignal.timeout(timeout)
  const abortSignal = signal ? AbortSignal.any([signal, limit]) : limit
  const explain = (error: unknown) => (limit.aborted && !signal?.aborted ? tookTooLong(what, timeout, error) : error)
  const Cmd = 'text' in command ? ['sh', '-c', command.text] : [...command]
  const start = async () => {
    const exec = await docker.engine
      .getContainer(container)
      .exec({ Cmd, AttachStdin: Boolean(input), AttachStdout: true, AttachStderr: true, abortSignal })
    return { exec, connection: await exec.start({ hijack: true, stdin: Boolean(input), abortSignal }) }
  }
  const { exec, connection } = await start().catch((error: unknown) => {
    throw explain(error)
  })
  const received = connection.pipe(new PassThrough())
  connection.once('close', () => received.end())
  // The command may end without having read all: that is its exit code's business, not an error of ours.
  connection.on('error', () => connection.destroy())
  input?.pipe(connection)
  const abort = () => void connection.destroy()
  abortSignal.addEventListener('abort', abort, { once: true })

  async function* read(): AsyncGenerator<Buffer> {
    const errors: Buffer[] = []
    const split = demultiplex((part) => errors.push(part))
    let last: Buffer = Buffer.alloc(0)
    try {
      for await (const chunk of received as AsyncIterable<Buffer>) for (const part of split(chunk)) yield (last = part)
      abortSignal.throwIfAborted()
      const { ExitCode } = await exec.inspect({ abortSignal })
      if (ExitCode !== 0) throw commandFailed(what, ExitCode, errors.length > 0 ? Buffer.concat(errors) : last)
    } catch (error) {
      throw explain(error)
    } finally {
      abortSignal.removeEventListener('abort', abort)
      input?.unpipe(connection).resume()
      connection.destroy()
    }
  }
  return Readable.from(read())
}

function describe(command: readonly string[] | ShellScript): string {
  return 'text' in command ? `Script "${command.name}"` : `Command "${command.join(' ').trim().split('\n')[0]}"`
}

function commandFailed(what: string, exitCode: number | null, printed: Buffer): ClusterTestError {
  return new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `${what} ended with exit code ${exitCode}: ${printed.toString().trim()}`)
}

function tookTooLong(what: string, timeout: number, cause: unknown): ClusterTestError {
  return new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `${what} took longer than ${timeout} ms.`, {
    cause,
    hint: 'Look whether the container is paused, and whether the machine is overloaded: docker ps, docker stats.',
  })
}
