import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { createRecorder } from './recorder.ts'

const identity = { id: '1_0', name: 'Orders (EU)', file: '/shop/orders.test.ts' }

test('redacts what a Secret holds in everything that comes after, names excepted', async () => {
  const recorder = createRecorder(undefined)
  const suite = await recorder.suite(identity)
  suite.addName('postgres')
  suite.addSecrets(['postgres', 'hunter22'])
  suite.progress({ kind: 'done', step: 'seed', text: 'as postgres with hunter22', duration: 5 })
  suite.event({ at: 0, type: 'Warning', reason: 'Failed', object: 'pod/postgres-0', message: 'hunter22 is wrong' })
  suite.addRequests([{ at: 0, workload: 'deployment/a', method: 'GET', url: '/?token=hunter22' }])
  expect(suite.record).toMatchObject({
    steps: [{ text: 'as postgres with [redacted]' }],
    events: [{ message: '[redacted] is wrong' }],
    requests: [{ url: '/?token=[redacted]' }],
  })
})

test('keeps a bounded number of entries, the last ones', async () => {
  const { event, record } = await createRecorder(undefined).suite(identity)
  for (let at = 0; at < 2_500; at++) event({ at, type: 'Normal', reason: 'Pulled', object: 'pod/a', message: '' })
  expect(record.events).toHaveLength(1_000)
  expect(record.events.at(-1)).toMatchObject({ at: 2_499 })
  expect(record.dropped).toBe(1_500)
})

test('notes a pod’s states once each, until it is gone', async () => {
  const { pod, podGone, record } = await createRecorder(undefined).suite(identity)
  for (const state of ['Pending', 'Pending', 'Running', 'Ready', 'Ready'])
    pod('uid', { namespace: 'default', name: 'a', state, restarts: 0 })
  podGone('uid')
  expect(record.pods[0]!.states.map(({ state }) => state)).toEqual(['Pending', 'Running', 'Ready'])
  expect(record.pods[0]!.end).toBeTypeOf('number')
})

test('every suite has a folder of its own, and the first suite of a run removes those of the last run', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'reports-'))
  await writeFile(join(folder, 'old'), '')
  const recorder = createRecorder(folder)
  const folders = [await recorder.suite(identity), await recorder.suite({ ...identity, id: '2_0' })].map((suite) => suite.folder)
  expect(folders).toEqual([join(folder, 'orders-test-orders-eu'), join(folder, 'orders-test-orders-eu-2')])
  await expect(readdir(folder)).rejects.toThrow('ENOENT')
  recorder.reset()
  expect(recorder.find('1_0')).toBeUndefined()
  await rm(folder, { recursive: true, force: true })
})
