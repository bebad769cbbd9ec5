import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'

import type { Docker } from './docker.ts'

/** A command that goes on in a running container. */
export interface RunningExec {
  /** Resolves when it has ended, to its exit code and what it printed on standard error. */
  readonly ended: Promise<{ readonly exitCode: number | null; readonly stderr: string }>
  /** Stops listening. The command itself has to be ended in the container. */
  detach(): void
}

/** Starts a command in a container and calls back for each line that it prints. */
export async function streamExec(
  docker: Docker,
  container: string,
  command: readonly string[],
  onLine: (line: string) => void,
): Promise<RunningExec> {
  const exec = await docker.engine.getContainer(container).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true })
  const stream = await exec.start({ hijack: true, stdin: false })
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  docker.engine.modem.demuxStream(stream, stdout, stderr)
  stream.once('error', () => stream.destroy())
  stream.once('close', () => {
    stdout.end()
    stderr.end()
  })
  createInterface(stdout).on('line', onLine)
  const ended = text(stderr).then(async (said) => ({ exitCode: (await exec.inspect()).ExitCode, stderr: said }))
  return { ended, detach: () => stream.destroy() }
}
