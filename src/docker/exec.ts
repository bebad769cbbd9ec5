import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import { ClusterTestError } from '../support/errors.ts'
import { demultiplex } from './demultiplex.ts'
import type { Docker } from './docker.ts'

interface ExecOptions {
  /** Written to the command's standard input. */
  readonly input?: Readable
  readonly signal?: AbortSignal
}

/** Runs a command in a running container and resolves to its standard output as text. Rejects when its exit code is not 0. */
export async function execInContainer(
  docker: Docker,
  container: string,
  command: readonly string[],
  options?: ExecOptions,
): Promise<string> {
  return (await buffer(await execForStream(docker, container, command, options))).toString()
}

/** The same, as it comes: what the command prints waits until it is read. The stream fails at its end when the exit code is not 0. */
export async function execForStream(
  docker: Docker,
  container: string,
  command: readonly string[],
  { input, signal }: ExecOptions = {},
): Promise<Readable> {
  signal?.throwIfAborted()
  const exec = await docker.engine
    .getContainer(container)
    .exec({ Cmd: [...command], AttachStdin: Boolean(input), AttachStdout: true, AttachStderr: true })
  const connection = await exec.start({ hijack: true, stdin: Boolean(input) })
  const received = connection.pipe(new PassThrough())
  connection.once('close', () => received.end())
  // The command may end without having read all: that is its exit code's business, not an error of ours.
  connection.on('error', () => connection.destroy())
  input?.pipe(connection)
  const abort = () => void connection.destroy()
  signal?.addEventListener('abort', abort, { once: true })

  async function* read(): AsyncGenerator<Buffer> {
    const errors: Buffer[] = []
    const split = demultiplex((part) => errors.push(part))
    let last: Buffer = Buffer.alloc(0)
    try {
      for await (const chunk of received as AsyncIterable<Buffer>) for (const part of split(chunk)) yield (last = part)
      signal?.throwIfAborted()
      const { ExitCode } = await exec.inspect()
      if (ExitCode !== 0) throw commandFailed(command, container, ExitCode, errors.length > 0 ? Buffer.concat(errors) : last)
    } finally {
      signal?.removeEventListener('abort', abort)
      input?.unpipe(connection).resume()
      connection.destroy()
    }
  }
  return Readable.from(read())
}

function commandFailed(command: readonly string[], container: string, exitCode: number | null, printed: Buffer): ClusterTestError {
  return new ClusterTestError(
    'ERR_DOCKER_REQUEST_FAILED',
    `Command "${command.join(' ').trim().split('\n')[0]}" in container "${container}" ended with exit code ${exitCode}: ${printed.toString().trim()}`,
  )
}
