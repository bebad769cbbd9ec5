import { PassThrough, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

import { ClusterTestError } from '../support/errors.ts'
import type { Docker } from './docker.ts'

/** Runs a command in a running container and resolves to its standard output. Rejects when its exit code is not 0. */
export async function execInDocker(
  docker: Docker,
  container: string,
  command: readonly string[],
  options: { input?: Readable; signal?: AbortSignal } = {},
): Promise<string> {
  const { input, signal } = options
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
  const [out, err] = await Promise.all([text(stdout), text(stderr)])
  input?.unpipe(stream).resume()
  signal?.removeEventListener('abort', abort)
  signal?.throwIfAborted()
  const { ExitCode } = await exec.inspect()
  if (ExitCode === 0) return out
  throw new ClusterTestError(
    'ERR_DOCKER_REQUEST_FAILED',
    `Command "${command.join(' ')}" in container "${container}" ended with exit code ${ExitCode}: ${(err || out).trim()}`,
  )
}
