import { Writable, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import type { V1Status } from '@kubernetes/client-node'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { Exec, type KubeConfig } from './client-node.ts'
import type { KubeClient } from './client.ts'
import type { ExecResult } from './exec-result.ts'

export interface ExecTarget {
  readonly namespace: string
  readonly pod: string
  readonly container: string
}

export interface ExecInPodOptions {
  readonly input?: string | AsyncIterable<Uint8Array> | undefined
  /** Told what the command prints, as it comes. It is not kept then. */
  readonly onOutput?: ((chunk: Buffer, output: 'stdout' | 'stderr') => void) | undefined
  /** The command runs in a terminal of this size, and prints everything to standard output. */
  readonly terminal?: TerminalSize | undefined
  readonly signal: AbortSignal
}

/** The size of a terminal, which changes: `process.stdout` is one. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
  on(event: 'resize', listener: () => void): unknown
  off(event: 'resize', listener: () => void): unknown
}

/**
 * Runs a command in a container and resolves when it has ended, whatever its exit code, with the whole of both outputs.
 * @throws ClusterTestError `ERR_KUBE_EXEC_FAILED` when the command cannot be started, or the connection ends before the exit code came.
 */
export async function execInPod(
  client: KubeClient,
  target: ExecTarget,
  command: readonly string[],
  options: ExecInPodOptions,
): Promise<ExecResult> {
  const { namespace, pod, container } = target
  const { onOutput, terminal } = options
  const stdout = collector(onOutput && ((chunk) => onOutput(chunk, 'stdout')))
  const stderr = collector(onOutput && ((chunk) => onOutput(chunk, 'stderr')))
  using _resized = terminal && resizeWith(stdout.stream, terminal)
  const { promise, resolve, reject } = Promise.withResolvers<V1Status>()
  const what = `Command "${command.join(' ')}" in container "${container}" of pod "${pod}"`
  const fail = (why: string, cause?: unknown) => new ClusterTestError('ERR_KUBE_EXEC_FAILED', `${what} ${why}`, { cause })

  options.signal.throwIfAborted()
  let socket: Awaited<ReturnType<InstanceType<typeof Exec>['exec']>> | undefined
  const stdin =
    options.input === undefined
      ? null
      : Readable.from(
          paced(options.input, () => socket?.bufferedAmount ?? Infinity),
          { objectMode: false },
        )
  try {
    socket = await new Exec(endingWith(client.config, options.signal)).exec(
      namespace,
      pod,
      container,
      [...command],
      stdout.stream,
      terminal ? null : stderr.stream,
      stdin,
      terminal !== undefined,
      resolve,
    )
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason
    throw fail(`could not be started: ${(error as { message?: string }).message ?? messageOf(error)}.`, error)
  }
  socket.onclose = () => reject(fail('lost its connection before it ended.'))
  socket.onerror = (event: { message: string }) => reject(fail(`lost its connection: ${event.message}.`))
  const open = socket
  const abort = () => {
    reject(options.signal.reason)
    open.close()
  }
  if (options.signal.aborted) abort()
  options.signal.addEventListener('abort', abort, { once: true })
  try {
    const status = await promise
    const exitCode = exitCodeOf(status)
    if (exitCode === undefined) throw fail(`could not be started: ${status.message ?? status.reason ?? 'no reason given'}.`)
    return { stdout: stdout.text(), stderr: stderr.text(), exitCode }
  } finally {
    options.signal.removeEventListener('abort', abort)
    stdin?.destroy()
    socket.close()
  }
}

/** Bytes that may wait in the socket: client-node sends what it is given, and would hold a whole dump in memory. */
const highWaterMark = 1 << 20

async function* paced(input: string | AsyncIterable<Uint8Array>, waiting: () => number): AsyncGenerator<Uint8Array> {
  for await (const chunk of typeof input === 'string' ? [Buffer.from(input)] : input) {
    while (waiting() > highWaterMark) await sleep(2)
    yield chunk
  }
}

/** A server that takes the connection and says nothing would leave client-node waiting for ever: it passes these options on to the request. */
export function endingWith(config: KubeConfig, signal: AbortSignal): KubeConfig {
  return Object.assign(Object.create(config) as KubeConfig, {
    applyToHTTPSOptions: async (options: object) => {
      await config.applyToHTTPSOptions(options)
      Object.assign(options, { signal })
    },
  })
}

function exitCodeOf(status: V1Status): number | undefined {
  if (status.status === 'Success') return 0
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')
  return cause?.message === undefined ? undefined : Number(cause.message)
}

/** client-node tells the other end the size of an output that has one. */
function resizeWith(stream: Writable, terminal: TerminalSize): Disposable {
  const tell = () => void stream.emit('resize')
  Object.defineProperties(stream, { columns: { get: () => terminal.columns }, rows: { get: () => terminal.rows } })
  terminal.on('resize', tell)
  return { [Symbol.dispose]: () => void terminal.off('resize', tell) }
}

function collector(onChunk: ((chunk: Buffer) => void) | undefined): { stream: Writable; text(): string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (onChunk) onChunk(chunk)
      else chunks.push(Buffer.from(chunk))
      done()
    },
  })
  return { stream, text: () => Buffer.concat(chunks).toString() }
}
