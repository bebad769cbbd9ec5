import { type Socket, connect } from 'node:net'

import type { BridgeCall, BridgeResults } from '../bridge/requests.ts'
import type { LeaseRequest } from '../engine/request.ts'
import type { RequestRecord } from '../report/model.ts'
import { ClusterTestError, deserializeError } from '../support/errors.ts'
import { readMessages, sendMessage } from './json-lines.ts'
import type { BrokerAddress, BrokerAnswer, BrokerMessage, Lease, WorkerCall, WorkerMessage } from './protocol.ts'

/** A worker's hold on a cluster. */
export interface HeldLease extends AsyncDisposable {
  readonly lease: Lease
  /** Applies more objects, waits until they are ready, and brings the lease up to date. */
  apply(manifests: (WorkerMessage & { type: 'apply' })['manifests'], timeout: number): Promise<void>
  /** Says that the suite has failed, so that its cluster is kept if that is wanted. */
  fail(): void
  /** Says that a test has failed, so that the state of the cluster is written down, and does not wait for that. */
  testFailed(requests: readonly RequestRecord[]): void
  /** Requests that are told at the end of the lease. */
  remember(requests: readonly RequestRecord[]): void
  /** One step of a bridge, done by the owner of the cluster. */
  bridge<Call extends BridgeCall>(call: Call): Promise<BridgeResults[Call['call']]>
}

/** Asks the broker for a cluster and resolves when its stack is ready. Disposal resolves when everything is gone. */
export async function leaseCluster({ port, token }: Pick<BrokerAddress, 'port' | 'token'>, request: LeaseRequest): Promise<HeldLease> {
  const socket = await open(port)
  const call = createCalls(socket)
  const leased = async (message: WorkerMessage): Promise<Lease> => {
    const answer = await call(message)
    if (answer.type !== 'lease')
      throw new ClusterTestError('ERR_BROKER_CONNECTION_LOST', `Expected a lease from the main process, got "${answer.type}".`)
    return answer.lease
  }

  try {
    let hasFailed = false
    let requests: readonly RequestRecord[] = []
    let lease = await leased({ type: 'lease', token, request })
    return {
      get lease() {
        return lease
      },
      fail: () => void (hasFailed = true),
      testFailed: (requests) => sendMessage(socket, { type: 'test-failed', requests, id: 0 } satisfies WorkerCall),
      remember: (received) => void (requests = received),
      async apply(manifests, timeout) {
        lease = await leased({ type: 'apply', manifests, timeout })
      },
      async bridge<Call extends BridgeCall>(message: Call) {
        const answer = await call({ type: 'bridge', call: message })
        if (answer.type !== 'bridge')
          throw new ClusterTestError('ERR_BROKER_CONNECTION_LOST', `Expected a bridge from the main process, got "${answer.type}".`)
        return answer.result as BridgeResults[Call['call']]
      },
      async [Symbol.asyncDispose]() {
        try {
          await call({ type: 'release', failed: hasFailed, requests })
        } finally {
          socket.destroy()
        }
      },
    }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** Tests that run at the same time ask at the same time. */
function createCalls(socket: Socket): (message: WorkerMessage) => Promise<BrokerMessage> {
  const pending = new Map<number, PromiseWithResolvers<BrokerMessage>>()
  let last = 0
  let isOver = false
  const read = async () => {
    for await (const answer of readMessages<BrokerAnswer>(socket)) {
      pending.get(answer.id)?.resolve(answer)
      pending.delete(answer.id)
    }
    isOver = true
    for (const { reject } of pending.values()) reject(connectionLost())
  }
  void read()
  return async (message) => {
    if (isOver) throw connectionLost()
    const id = ++last
    const answered = Promise.withResolvers<BrokerMessage>()
    pending.set(id, answered)
    sendMessage(socket, { ...message, id } satisfies WorkerCall)
    const answer = await answered.promise
    if (answer.type === 'failed') throw deserializeError(answer.error)
    return answer
  }
}

function connectionLost(): ClusterTestError {
  return new ClusterTestError(
    'ERR_BROKER_CONNECTION_LOST',
    'The connection to the main process of vitest ended: it is being closed, or was killed.',
  )
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', (error) =>
      reject(
        new ClusterTestError('ERR_BROKER_CONNECTION_LOST', `The main process of vitest cannot be reached: ${error.message}.`, {
          cause: error,
        }),
      ),
    )
  })
}
