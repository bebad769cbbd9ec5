import { once } from 'node:events'
import { type Socket, connect } from 'node:net'

import type { BridgeFunctions } from '../bridge/requests.ts'
import type { LeaseRequest } from '../engine/request.ts'
import type { RequestRecord } from '../report/model.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { messageLimit } from './codec.ts'
import { readFrames, writeFrame } from './frames.ts'
import type { BrokerAddress, Lease, LeaseFunctions, ManifestSources } from './lease.ts'
import { openWire } from './wire.ts'

/** A worker's hold on a cluster. */
export interface HeldLease extends AsyncDisposable {
  readonly lease: Lease
  /** Aborts when the suite ends. */
  readonly signal: AbortSignal
  /** The steps of bridges, done by the owner of the cluster. */
  readonly bridges: BridgeFunctions
  /** Applies more objects, waits until they are ready, and brings the lease up to date. */
  apply(manifests: ManifestSources, timeout: number): Promise<void>
  /** Says that the suite has failed, so that its cluster is kept if that is wanted. */
  fail(): void
  /** Says that a test has failed, so that the state of the cluster is written down, and does not wait for that. */
  testFailed(requests: readonly RequestRecord[]): Promise<void>
  /** Requests that are told at the end of the lease. */
  remember(requests: readonly RequestRecord[]): void
}

/**
 * Asks the broker for a cluster and resolves when its stack is ready. Disposal resolves when everything is gone.
 * @param onLease told of the lease whenever it is up to date
 */
export async function leaseCluster(
  { port, token }: Pick<BrokerAddress, 'port' | 'token'>,
  request: LeaseRequest,
  onLease: (lease: Lease) => void = () => {},
): Promise<HeldLease> {
  await using cleanup = new AsyncDisposableStack()
  const socket = cleanup.adopt(await open(port), (opened) => void opened.destroy())
  const lost = 'The connection to the main process of vitest was closed: it is shutting down or was killed.'
  const { remote, receive } = openWire<LeaseFunctions, object>(socket, { functions: () => ({}), lost })
  readFrames(socket, () => messageLimit, receive)
  writeFrame(socket, Buffer.from(token))

  const ended = new AbortController()
  let hasFailed = false
  let requests: readonly RequestRecord[] = []
  let lease = await remote.lease(request, ended.signal)
  onLease(lease)
  const owned = cleanup.move()
  return {
    get lease() {
      return lease
    },
    signal: ended.signal,
    bridges: remote,
    async apply(manifests, timeout) {
      lease = await remote.apply(manifests, timeout, ended.signal)
      onLease(lease)
    },
    fail: () => void (hasFailed = true),
    testFailed: (received) => remote.testFailed(received),
    remember: (received) => void (requests = received),
    async [Symbol.asyncDispose]() {
      await using _connection = owned
      ended.abort(new ClusterTestError('ERR_SETUP_CANCELLED', 'The suite has ended.'))
      await remote.release(hasFailed, requests)
    },
  }
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  try {
    await once(socket, 'connect')
  } catch (error) {
    throw new ClusterTestError('ERR_BROKER_CONNECTION_LOST', `vitest's main process cannot be reached: ${messageOf(error)}.`, {
      cause: error,
    })
  }
  // A connection that breaks is closed then, which ends its calls.
  return socket.on('error', () => socket.destroy())
}
