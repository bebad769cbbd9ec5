import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { untilAnswers } from './until-answers.ts'

test('work that cannot reach the engine is done again until it can; other errors are not its business', async () => {
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'engine-'))
  cleanup.defer(() => rm(folder, { recursive: true }))
  const path = join(folder, 'docker.sock')
  const server = createServer((socket) => socket.end())
  cleanup.defer(() => void server.close())
  let attempts = 0
  const ask = async () => {
    if (++attempts === 3) await once(server.listen(path), 'listening')
    const socket = connect(path)
    await once(socket.resume(), 'close')
    return 'answered'
  }
  expect(await untilAnswers(ask)).toBe('answered')
  expect(attempts).toBe(3)

  const conflict = async () => {
    attempts++
    throw Object.assign(new Error('in use'), { statusCode: 409 })
  }
  await expect(untilAnswers(conflict)).rejects.toThrow('in use')
  expect(attempts).toBe(4)
})

test('an engine that stays away is given up, by all that wait for it together', async () => {
  const ask = () => once(connect('/nowhere/docker.sock'), 'connect')
  const started = performance.now()
  await expect(untilAnswers(ask, 2_000)).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(untilAnswers(ask, 2_000)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(performance.now() - started).toBeLessThan(3_900)
})
