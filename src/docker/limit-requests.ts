import type Dockerode from 'dockerode'

import { ClusterTestError } from '../support/errors.ts'

interface Modem {
  dial(options: DialOptions, callback: (error: unknown, ...answer: unknown[]) => void): void
}

interface DialOptions {
  readonly method: string
  readonly path: string
  readonly isStream?: boolean
  readonly hijack?: boolean
  readonly openStdin?: boolean
  readonly file?: unknown
  readonly abortSignal?: AbortSignal
}

const limited = new WeakSet<object>()

/**
 * Gives a time limit to each request that an engine answers as a whole: dockerode knows none, and an engine that has taken the
 * connection and never answers would hold a run up for good. Streams and waits take as long as they take. An engine that has gone
 * is named.
 */
export function limitRequests({ modem }: Dockerode, limit = 120_000): void {
  const target = modem as Modem
  if (limited.has(target)) return
  limited.add(target)
  const dial = target.dial.bind(target)
  target.dial = (options, callback) => {
    const { method, path, abortSignal } = options
    const name = `The Docker engine at ${addressOf(modem)}`
    if (options.isStream || options.hijack || options.openStdin || isStream(options.file) || /\/wait\b/.test(path))
      return dial(options, (error, ...answer) => callback(asGone(error, name), ...answer))
    const silence = AbortSignal.timeout(limit)
    const signal = abortSignal ? AbortSignal.any([abortSignal, silence]) : silence
    dial({ ...options, abortSignal: signal }, (error, ...answer) => {
      if (!error || !silence.aborted || abortSignal?.aborted) return callback(asGone(error, name), ...answer)
      const text = `${name} did not answer ${method} ${path.replace(/\?.*/, '')} within ${limit} ms.`
      callback(
        new ClusterTestError('ERR_DOCKER_UNAVAILABLE', text, {
          cause: error,
          hint: 'Run "docker info"; the engine may need a restart.',
        }),
      )
    })
  }
}

/** Node.js says "connect ECONNREFUSED" and a path, or nothing but "socket hang up". */
function asGone(error: unknown, engine: string): unknown {
  const { code = '', message } = (error ?? {}) as NodeJS.ErrnoException
  if (!['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE'].includes(code)) return error
  return new ClusterTestError('ERR_DOCKER_UNAVAILABLE', `${engine} has gone away: ${message}.`, {
    cause: error,
    hint: 'It was stopped or restarted while suites ran. Once "docker info" works again, run the tests again.',
  })
}

/** What is sent as it comes takes as long as that. */
function isStream(file: unknown): boolean {
  return Boolean(file) && !Buffer.isBuffer(file)
}

/** As DOCKER_HOST has it. */
export function addressOf(modem: unknown): string {
  const { socketPath, host, port } = modem as { socketPath?: string; host?: string; port?: string | number }
  if (!socketPath) return `tcp://${host}:${port}`
  return process.platform === 'win32' ? `npipe://${socketPath}` : `unix://${socketPath}`
}
