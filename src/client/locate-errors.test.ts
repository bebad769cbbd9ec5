import { setTimeout as sleep } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { ClusterTestError, deserializeError } from '../support/errors.ts'
import { withLocatedErrors } from './locate-errors.ts'

const cluster = withLocatedErrors({
  count: 2,
  url: (service: string) => `http://${service}`,
  async apply(path: string): Promise<void> {
    await sleep(1)
    throw deserializeError({ code: 'ERR_MANIFEST_NOT_FOUND', message: `Manifest "${path}" does not exist.`, hint: 'Look.', causes: [] })
  },
  async fail(): Promise<void> {
    throw new TypeError('somebody else’s')
  },
})

test('an error of another process has its first frame where the method was called', async () => {
  const error = await cluster.apply('./absent.yaml').then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ClusterTestError)
  const [name, hint, frame] = (error as Error).stack!.split('\n')
  expect([name, hint]).toEqual(['ClusterTestError: Manifest "./absent.yaml" does not exist.', 'Hint: Look.'])
  expect(frame).toContain(import.meta.filename)
})

test('values, results and errors of others are as they were', async () => {
  expect(cluster.count).toBe(2)
  expect(cluster.url('shop')).toBe('http://shop')
  const error = await cluster.fail().catch((reason: unknown) => reason)
  expect((error as Error).stack).toContain('at Object.fail')
})
