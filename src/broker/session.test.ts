import { once } from 'node:events'

import { expect, onTestFinished, test } from 'vitest'

import type { BridgeFunctions } from '../bridge/requests.ts'
import type { LeaseRequest } from '../engine/request.ts'
import type { RunningSuite } from '../engine/start-suite.ts'
import { ClusterTestError } from '../support/errors.ts'
import { leaseCluster } from './client.ts'
import type { LeaseFunctions } from './lease.ts'
import { listenForWorkers } from './listen.ts'
import { createSession } from './session.ts'
import { openWire } from './wire.ts'

const token = 'the token of this test'
const request = { suite: 'orders' } as LeaseRequest

test('a lease is brought up to date by apply, and gone when it is released', async () => {
  const { port, events } = await start()
  const held = await leaseCluster({ port, token }, request)
  expect(held.lease.bundle).toBeUndefined()
  await held.apply('./more.yaml', 1_000)
  expect(held.lease.bundle).toBe('/tmp/bundle')
  held.fail()
  held.remember([{ at: 1, workload: 'w', method: 'GET', url: '/' }])
  await held[Symbol.asyncDispose]()
  expect(events).toEqual(['start orders', 'apply ./more.yaml', 'fail', 'finish true 1', 'gone'])
})

test('a bridge that waits holds nothing up, and ends with the suite before the cluster does', async () => {
  const { port, events } = await start()
  const held = await leaseCluster({ port, token }, request)
  const opened = held.bridges.openBridge({ workload: 'deployment/slow' } as never, held.signal).catch((error: Error) => error.message)
  expect(await held.bridges.readEnv({ workload: 'deployment/other', env: {} }, held.signal)).toEqual({ A: '1' })
  await held.apply('./more.yaml', 1_000)
  await held[Symbol.asyncDispose]()
  expect(await opened).toBe('The suite has ended.')
  expect(events.slice(-3)).toEqual(['bridge aborted', 'finish false 0', 'gone'])
})

test('apply ends in time, whatever else is under way', async () => {
  const { port } = await start()
  await using held = await leaseCluster({ port, token }, request)
  held.bridges.openBridge({ workload: 'deployment/slow' } as never, held.signal).catch(() => 'it waits until the suite ends')
  await expect(held.apply('wait', 50)).rejects.toMatchObject({
    code: 'ERR_WORKLOAD_NOT_READY',
    message: 'cluster.apply took longer than 50 ms.\nHint: Raise its option "timeout".',
  })
})

test('a worker that is gone has failed, its calls are aborted, and what it held goes', async () => {
  const { port, events, workers } = await start()
  const held = await leaseCluster({ port, token }, request)
  const opened = held.bridges.openBridge({ workload: 'deployment/slow' } as never, held.signal).catch((error: Error) => error)
  await held.bridges.readEnv({ workload: 'deployment/other', env: {} }, held.signal)
  workers[0]!.destroy()
  expect(await opened).toMatchObject({ code: 'ERR_BROKER_CONNECTION_LOST' })
  await expect.poll(() => events).toEqual(['start orders', 'fail', 'bridge aborted', 'gone'])
  await expect(held[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'ERR_BROKER_CONNECTION_LOST' })
})

test('a set-up that fails says so, and ends the connection', async () => {
  const { port, workers } = await start()
  await expect(leaseCluster({ port, token }, { suite: 'broken' } as LeaseRequest)).rejects.toMatchObject({
    code: 'ERR_OPTIONS_INVALID',
    hint: 'Mend it.',
  })
  if (!workers[0]!.destroyed) await once(workers[0]!, 'close')
})

test('where nobody listens the main process is gone', async () => {
  const { port, close } = await start()
  close()
  await expect(leaseCluster({ port, token }, request)).rejects.toMatchObject({ code: 'ERR_BROKER_CONNECTION_LOST' })
})

async function start() {
  const events: string[] = []
  const workers: Parameters<Parameters<typeof listenForWorkers>[0]['onWorker']>[0][] = []
  const listener = await listenForWorkers({
    token,
    onWorker(socket) {
      workers.push(socket)
      const session = createSession(async ({ suite }, held) => {
        events.push(`start ${suite}`)
        if (suite === 'broken') throw new ClusterTestError('ERR_OPTIONS_INVALID', 'It is broken.', { hint: 'Mend it.' })
        held.defer(() => void events.push('gone'))
        return createSuite(events)
      })
      socket.once('close', () => {
        session.fail()
        void session[Symbol.asyncDispose]()
      })
      return openWire<object, LeaseFunctions>(socket, { functions: session.functions, lost: 'The worker has exited.' }).receive
    },
  })
  const close = () => {
    listener[Symbol.dispose]()
    for (const socket of workers) socket.destroy()
  }
  onTestFinished(close)
  return { port: listener.port, events, workers, close }
}

/** A suite without a cluster: it takes down what is asked of it. */
function createSuite(events: string[]): RunningSuite {
  let bundle: string | undefined
  const bridges: Partial<BridgeFunctions> = {
    openBridge: (_, signal) =>
      new Promise((__, reject) => {
        signal.addEventListener('abort', () => {
          events.push('bridge aborted')
          reject(signal.reason as Error)
        })
      }),
    readEnv: async () => ({ A: '1' }),
  }
  const suite = {
    cluster: { name: 'vk-orders', kubeconfigPath: '/tmp/kubeconfig' },
    namespace: 'default',
    isShared: false,
    isUp: false,
    addressesFile: '/tmp/addresses.json',
    get bundle() {
      return bundle
    },
    setup: '',
    bridges,
    async apply(sources: string, signal: AbortSignal) {
      if (sources === 'wait') await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      events.push(`apply ${sources}`)
      bundle = '/tmp/bundle'
    },
    testFailed: () => {},
    finish: async (failed: boolean, requests: readonly unknown[]) => void events.push(`finish ${failed} ${requests.length}`),
    fail: () => void events.push('fail'),
  }
  return suite as unknown as RunningSuite
}
