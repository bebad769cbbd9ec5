import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'

import type { EngineOptions, SuiteEngine } from '../engine/engine.ts'
import { readForecast } from '../engine/forecast.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { runForSuite } from '../support/suite-context.ts'
import type { BrokerAddress, LeaseFunctions } from './lease.ts'
import { listenForWorkers } from './listen.ts'
import { createSession } from './session.ts'
import { openWire } from './wire.ts'

/** The one owner of all clusters of a run. */
export interface Broker extends AsyncDisposable {
  readonly address: Pick<BrokerAddress, 'port' | 'token'>
  /** Whether a suite has asked for a cluster. */
  readonly isUsed: boolean
  /** Told of the test files of a run that begins, in the order in which they are likely to start: what their suites took last is made ready. */
  expect(files: readonly string[]): Promise<void>
  /** Told when a test file has ended. */
  fileEnded(file: string): void
  /** Cancels every set-up under way, for Ctrl-C. The suites that run end by themselves. */
  cancel(reason: Error): void
}

/** Opens the socket. The engine, and with it all of Docker's and Kubernetes' clients, is loaded when the first suite asks for a cluster. */
export async function startBroker(options: EngineOptions): Promise<Broker> {
  const token = randomBytes(24).toString('base64url')
  const cancelled = new AbortController()
  const sessions = new Map<Socket, Promise<void>>()
  let engine: Promise<SuiteEngine> | undefined

  const loadEngine = async () => {
    try {
      const { cluster } = options
      if (cluster) return await (await import('../engine/leased/leased-engine.ts')).startLeasedEngine(options, cluster)
      return await (await import('../engine/engine.ts')).startEngine(options)
    } catch (error) {
      // In watch mode the user may start Docker meanwhile.
      engine = undefined
      throw error
    }
  }
  const onWorker = (socket: Socket) => {
    const session = createSession(async (request, held, signal) => {
      options.onRequest?.(request)
      return (await (engine ??= loadEngine())).start(request, held, signal)
    })
    const { functions } = session
    const wire = openWire<object, LeaseFunctions>(socket, {
      functions,
      lost: 'The worker has exited.',
      signal: cancelled.signal,
      redact: options.recorder.redact,
    })
    const serve = async () => {
      await new Promise((resolve) => socket.once('close', resolve))
      // A worker that ends without a word was killed, unless the run ends.
      if (!cancelled.signal.aborted) session.fail()
      await session[Symbol.asyncDispose]()
    }
    const served = runForSuite(serve).catch((error: unknown) => {
      options.progress('run')({ kind: 'failed', step: 'teardown', text: messageOf(error) })
      // What could not be removed must not look like a green run.
      process.exitCode ||= 1
    })
    sessions.set(
      socket,
      served.finally(() => sessions.delete(socket)),
    )
    return (content: Buffer) => runForSuite(() => wire.receive(content))
  }
  const listener = await listenForWorkers({ token, onWorker })

  return {
    address: { port: listener.port, token },
    get isUsed() {
      return engine !== undefined
    },
    async expect(files) {
      const suites = await readForecast(files)
      if (suites.length === 0 || cancelled.signal.aborted) return
      // That there is no engine is told to the suites.
      const loaded = await (engine ??= loadEngine()).catch(() => undefined)
      loaded?.expect?.(suites)
    },
    fileEnded: (file) =>
      void engine?.then(
        (loaded) => loaded.fileEnded?.(file),
        () => undefined,
      ),
    cancel: (reason) => cancelled.abort(reason),
    async [Symbol.asyncDispose]() {
      cancelled.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The run ends.'))
      listener[Symbol.dispose]()
      for (const socket of sessions.keys()) socket.destroy()
      await Promise.all(sessions.values())
      await (await engine?.catch(() => undefined))?.[Symbol.asyncDispose]()
    },
  }
}
