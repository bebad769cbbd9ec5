import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findK3d } from '../cluster/k3d.ts'
import { pruneLeftovers } from '../cluster/leftovers.ts'
import { startLifeline } from '../cluster/lifeline.ts'
import { createOwner } from '../cluster/owner.ts'
import { connectDocker } from '../docker/docker.ts'
import { checkOptions } from '../stack/options.ts'
import type { ImageSubstitutes } from '../stack/image-names.ts'
import { ClusterTestError, serializeError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { Progress } from '../support/progress.ts'
import { type Capacity, createCapacity } from './capacity.ts'
import { readMessages, sendMessage } from './json-lines.ts'
import type { BrokerAddress, BrokerMessage, LeaseRequest, WorkerMessage } from './protocol.ts'
import { type Engine, type RunningSuite, planSuite, startSuite } from './start-suite.ts'

export interface BrokerOptions {
  readonly k3d: string
  readonly nodeImage: string | undefined
  readonly substitutes: ImageSubstitutes
  readonly buildNetwork: string | undefined
  /** Clusters at the same time. @default one for each processor of the Docker engine */
  readonly maxClusters: number | undefined
  readonly progress: (suite: string) => Progress
}

/** The one owner of all clusters of a run. */
export interface Broker extends AsyncDisposable {
  readonly address: BrokerAddress
  /** Cancels every set-up under way, for Ctrl-C. The suites that run end by themselves. */
  cancel(reason: Error): void
}

/** Milliseconds for a suite's set-up unless it says otherwise. */
const defaultSetupTimeout = 300_000

/** Opens the socket; Docker and k3d are looked for when the first suite asks for a cluster. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const token = randomBytes(24).toString('base64url')
  const cancelled = new AbortController()
  const sessions = new Set<Promise<void>>()
  const sockets = new Set<Socket>()
  const owned = new AsyncDisposableStack()
  let engine: Promise<RunningEngine> | undefined

  const serve = async (socket: Socket) => {
    const closed = new AbortController()
    socket.once('close', () => closed.abort(new ClusterTestError('ERR_BROKER_CONNECTION_LOST', 'The worker is gone.')))
    const signal = AbortSignal.any([cancelled.signal, closed.signal])
    const reply = (message: BrokerMessage) => sendMessage(socket, message)
    await using held = new AsyncDisposableStack()
    let suite: RunningSuite | undefined
    for await (const message of readMessages<WorkerMessage>(socket)) {
      try {
        if (message.type === 'lease') {
          if (message.token !== token) return void socket.destroy()
          engine ??= startEngine(options, owned)
          const { engine: shared, capacity } = await engine
          suite = await lease(shared, capacity, message.request, options.progress(message.request.suite), signal, held)
          reply({ type: 'lease', lease: leaseOf(suite) })
        } else if (message.type === 'apply' && suite) {
          await suite.apply(message.manifests, AbortSignal.any([signal, AbortSignal.timeout(message.timeout)]))
          reply({ type: 'lease', lease: leaseOf(suite) })
        } else if (message.type === 'release') {
          await held.disposeAsync()
          reply({ type: 'released' })
        }
      } catch (error) {
        reply({ type: 'failed', error: serializeError(error) })
      }
    }
  }

  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    const session = serve(socket)
      .catch((error: unknown) => options.progress('broker')({ kind: 'failed', step: 'teardown', text: String(error) }))
      .finally(() => {
        sockets.delete(socket)
        sessions.delete(session)
      })
    sessions.add(session)
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  server.unref()

  return {
    address: { port: (server.address() as AddressInfo).port, token },
    cancel: (reason) => cancelled.abort(reason),
    async [Symbol.asyncDispose]() {
      cancelled.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The run ends.'))
      server.close()
      for (const socket of sockets) socket.destroy()
      await Promise.allSettled(sessions)
      await owned.disposeAsync()
    },
  }
}

interface RunningEngine {
  readonly engine: Engine
  readonly capacity: Capacity
}

async function startEngine(options: BrokerOptions, cleanup: AsyncDisposableStack): Promise<RunningEngine> {
  const progress = options.progress('run')
  const docker = await connectDocker()
  const owner = createOwner()
  const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-'))
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  const lifeline = cleanup.use(startLifeline(owner.run, folder))
  const k3d = await findK3d(docker, options.k3d, lifeline.trackChild)
  const leftovers = await pruneLeftovers(docker)
  if (leftovers.length > 0) progress({ kind: 'note', step: 'prune', text: `removed what dead runs left: ${formatList(leftovers.flatMap(({ run, clusters }) => (clusters.length > 0 ? clusters : [run])))}` })
  const { nodeImage, substitutes, buildNetwork } = options
  return { engine: { docker, k3d, owner, folder, nodeImage, substitutes, buildNetwork }, capacity: createCapacity(options.maxClusters ?? docker.processors) }
}

async function lease(engine: Engine, capacity: Capacity, request: LeaseRequest, progress: Progress, signal: AbortSignal, held: AsyncDisposableStack): Promise<RunningSuite> {
  checkOptions(request.options)
  const plan = await planSuite(request)
  const slot = await capacity.acquire(signal, () => progress({ kind: 'note', step: 'cluster', text: `waits for one of ${capacity.limit} slots` }))
  held.use(slot)
  // The clock runs from here: waiting for a slot is nobody's fault.
  const timeout = request.options.setupTimeout ?? defaultSetupTimeout
  const deadline = AbortSignal.timeout(timeout)
  try {
    return held.use(await startSuite(engine, plan, progress, AbortSignal.any([signal, deadline])))
  } catch (error) {
    if (error !== deadline.reason || !deadline.aborted) throw error
    throw new ClusterTestError('ERR_SETUP_TIMEOUT', `The set-up of suite "${request.suite}" took longer than ${timeout} ms.`, { cause: error, hint: 'Raise the option "setupTimeout" of the suite; the lines above show what took the time.' })
  }
}

function leaseOf({ cluster, namespace, addresses }: RunningSuite) {
  return { name: cluster.name, namespace, kubeconfigPath: cluster.kubeconfigPath, addresses }
}
