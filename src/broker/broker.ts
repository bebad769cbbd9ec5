import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type AddressInfo, type Socket, createServer } from 'node:net'

import type { Engine, EngineOptions, StartedSuite } from '../engine/engine.ts'
import type { RunningSuite } from '../engine/start-suite.ts'
import { withDeadline } from '../support/deadline.ts'
import { ClusterTestError, serializeError } from '../support/errors.ts'
import { readMessages, sendMessage } from './json-lines.ts'
import type { BrokerAddress, BrokerAnswer, BrokerMessage, WorkerCall, WorkerMessage } from './protocol.ts'

/** The one owner of all clusters of a run. */
export interface Broker extends AsyncDisposable {
  readonly address: Pick<BrokerAddress, 'port' | 'token'>
  /** Whether a suite has asked for a cluster. */
  readonly isUsed: boolean
  /** Cancels every set-up under way, for Ctrl-C. The suites that run end by themselves. */
  cancel(reason: Error): void
}

type ApplyMessage = WorkerMessage & { readonly type: 'apply' }

async function applyWithin(suite: RunningSuite, { manifests, timeout }: ApplyMessage, signal: AbortSignal): Promise<void> {
  const deadline = { limit: timeout, code: 'ERR_WORKLOAD_NOT_READY', what: 'cluster.apply', hint: 'Raise its option "timeout".' } as const
  await withDeadline({ ...deadline, signal }, (each) => suite.apply(manifests, each))
}

function leaseOf({ cluster: { name, kubeconfigPath }, namespace, isShared, addresses, bundle, setup }: RunningSuite): BrokerMessage {
  return { type: 'lease', lease: { name, kubeconfigPath, namespace, isShared, addresses, bundle, setup } }
}

/** Takes as long for a wrong token as for the right one. */
function isEqual(given: unknown, token: string): boolean {
  return typeof given === 'string' && timingSafeEqual(sha256(given), sha256(token))
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Opens the socket. The engine, and with it all of Docker's and Kubernetes' clients, is loaded when the first suite asks for a cluster. */
export async function startBroker(options: EngineOptions): Promise<Broker> {
  const token = randomBytes(24).toString('base64url')
  const cancelled = new AbortController()
  const sockets = new Map<Socket, Promise<void>>()
  let engine: Promise<Engine> | undefined

  /** One connection, one lease: what it holds goes when it ends. */
  const serve = async (socket: Socket): Promise<void> => {
    const closed = new AbortController()
    socket.once('close', () => closed.abort(new ClusterTestError('ERR_BROKER_CONNECTION_LOST', 'The worker is gone.')))
    const signal = AbortSignal.any([cancelled.signal, closed.signal])
    let held = new AsyncDisposableStack()
    let suite: StartedSuite | undefined
    const over = new AbortController()
    /** What tests that run at the same time apply. */
    const applying = new Set<Promise<void>>()

    /** Undefined for what is not to be answered. */
    const handle = async (message: WorkerMessage): Promise<BrokerMessage | undefined> => {
      if (message.type === 'lease' && isEqual(message.token, token)) {
        options.onRequest?.(message.request)
        engine ??= import('../engine/engine.ts')
          .then(({ startEngine }) => startEngine(options))
          .catch((error: unknown) => {
            // In watch mode the user may start Docker meanwhile.
            engine = undefined
            throw error
          })
        suite = await (await engine).start(message.request, held, signal)
        return leaseOf(suite)
      }
      if (message.type === 'apply' && suite) {
        const running = suite
        await applyWithin(running, message, AbortSignal.any([signal, over.signal]))
        return leaseOf(running)
      }
      if (message.type === 'bridge' && suite) return { type: 'bridge', result: await suite.bridges.handle(message.call, signal) }
      if (message.type === 'test-failed' && suite) {
        suite.testFailed(message.requests)
        return undefined
      }
      if (message.type === 'release') {
        over.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The suite has ended.'))
        await Promise.all(applying)
        if (message.failed) suite?.fail()
        await suite?.finish(message.failed, message.requests)
        suite = undefined
        await held.disposeAsync()
        held = new AsyncDisposableStack()
        return { type: 'released' }
      }
      socket.destroy()
      return undefined
    }
    const answer = async ({ id, ...message }: WorkerCall): Promise<void> => {
      const reply = (each: BrokerMessage) => sendMessage(socket, { ...each, id } satisfies BrokerAnswer)
      try {
        const result = await handle(message)
        if (result) reply(result)
      } catch (error) {
        reply({ type: 'failed', error: serializeError(error, options.recorder.redact) })
      }
    }
    try {
      for await (const message of readMessages<WorkerCall>(socket)) {
        const answered = answer(message)
        if (message.type === 'apply') {
          applying.add(answered)
          void answered.finally(() => applying.delete(answered))
        } else await answered
      }
    } finally {
      // A worker that ends without a word was killed, unless the run ends.
      if (!cancelled.signal.aborted) suite?.fail()
      await Promise.all(applying)
      await held.disposeAsync()
    }
  }

  const server = createServer((socket) => {
    // A connection that breaks is closed then, which ends its session.
    socket.on('error', () => socket.destroy())
    const session = serve(socket).catch((error: unknown) => {
      options.progress('run')({ kind: 'failed', step: 'teardown', text: serializeError(error).message })
      // What could not be removed must not look like a green run.
      process.exitCode ||= 1
    })
    sockets.set(
      socket,
      session.finally(() => sockets.delete(socket)),
    )
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  server.unref()

  return {
    address: { port: (server.address() as AddressInfo).port, token },
    get isUsed() {
      return engine !== undefined
    },
    cancel: (reason) => cancelled.abort(reason),
    async [Symbol.asyncDispose]() {
      cancelled.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The run ends.'))
      server.close()
      for (const socket of sockets.keys()) socket.destroy()
      await Promise.all(sockets.values())
      await (await engine?.catch(() => undefined))?.[Symbol.asyncDispose]()
    },
  }
}
