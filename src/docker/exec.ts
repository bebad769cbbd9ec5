import { PassThrough, type Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import { ClusterTestError } from '../support/errors.ts'
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
  return (await execForBytes(docker, container, command, options)).toString()
}

/** The same, byte by byte. */
export async function execForBytes(
  docker: Docker,
  container: string,
  command: readonly string[],
  { input, signal }: ExecOptions = {},
): Promise<Buffer> {
  signal?.throwIfAborted()
  const exec = await docker.engine
    .getContainer(container)
    .exec({ Cmd: [...command], AttachStdin: Boolean(input), AttachStdout: true, AttachStderr: true })
  const stream = await exec.start({ hijack: true, stdin: Boolean(input) })
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  docker.engine.modem.demuxStream(stream, stdout, stderr)
  stream.once('close', () => {
    stdout.end()
    stderr.end()
  })
  // The command may end without having read all: that is its exit code's business, not an error of ours.
  stream.on('error', () => stream.destroy())
  input?.pipe(stream)
  const abort = () => stream.destroy()
  signal?.addEventListener('abort', abort, { once: true })
  const [out, err] = await Promise.all([buffer(stdout), buffer(stderr)])
  input?.unpipe(stream).resume()
  signal?.removeEventListener('abort', abort)
  signal?.throwIfAborted()
  const { ExitCode } = await exec.inspect()
  if (ExitCode === 0) return out
  throw new ClusterTestError(
    'ERR_DOCKER_REQUEST_FAILED',
    `Command "${command.join(' ').trim().split('\n')[0]}" in container "${container}" ended with exit code ${ExitCode}: ${(err.length > 0 ? err : out).toString().trim()}`,
  )
}
