import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { createForecast, readForecast } from './forecast.ts'
import type { LeaseRequest } from './request.ts'

let cache: string

beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'cache-'))
  vi.stubEnv('XDG_CACHE_HOME', cache)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await rm(cache, { recursive: true })
})

const request = (file: string, suite: string): LeaseRequest => ({
  ...{ file, suite, id: suite, folder: '/', sources: [], bridged: [] },
  options: { memory: 1_000, ipFamily: 'dual' },
})

test('what files took is known to the next run, in their order, and replaces what they took before', async () => {
  const before = createForecast()
  await before.note(request('/a.test.ts', 'gone'), 'old')
  const forecast = createForecast()
  await forecast.note(request('/b.test.ts', 'b'), 'key b')
  await forecast.note(request('/a.test.ts', 'first'), 'key 1')
  await forecast.note(request('/a.test.ts', 'second'), 'key 2')
  const suites = await readForecast(['/a.test.ts', '/absent.test.ts', '/b.test.ts'])
  expect(suites.map(({ file, suite, key }) => `${file} ${suite} ${key}`)).toEqual([
    '/a.test.ts first key 1',
    '/a.test.ts second key 2',
    '/b.test.ts b key b',
  ])
  expect(suites[2]).toEqual({ file: '/b.test.ts', suite: 'b', key: 'key b', memory: 1_000, ipFamily: 'dual' })
})

test.each(['', '{', 'null', '{}', '[null]', '[{}]', '[{"file":"/c.test.ts","suite":1}]'])('a forecast %j says nothing', async (text) => {
  await createForecast().note(request('/c.test.ts', 'c'), 'key')
  const folder = join(cache, 'vitest-kubernetes/suites')
  for (const name of await readdir(folder)) await writeFile(join(folder, name), text)
  expect(await readForecast(['/c.test.ts'])).toEqual([])
})
