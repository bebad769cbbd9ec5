import { PassThrough } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'

import { ClusterTestError } from '../support/errors.ts'
import type { Docker } from './docker.ts'

/** Runs a command in a running container and resolves to the bytes that it wrote on standard output. Rejects when its exit code is not 0. */
export async function execForBytes(docker: Docker, container: string, command: readonly string[]): Promise<Buffer> {
  const exec = await docker.engine.getContainer(container).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true })
  const stream = await exec.start({ hijack: true, stdin: false })
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  docker.engine.modem.demuxStream(stream, stdout, stderr)
  stream.once('close', () => {
    stdout.end()
    stderr.end()
  })
  const [out, err] = await Promise.all([buffer(stdout), text(stderr)])
  const { ExitCode } = await exec.inspect()
  if (ExitCode === 0) return out
  throw new ClusterTestError(
    'ERR_DOCKER_REQUEST_FAILED',
    `Command "${command.join(' ').trim().split('\n')[0]}" in container "${container}" ended with exit code ${ExitCode}: ${err.trim()}`,
  )
}
