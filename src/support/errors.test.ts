import { tmpdir } from 'node:os'

import { expect, test } from 'vitest'

import { ClusterTestError, deserializeError, inOne, messageOf, serializeError } from './errors.ts'

/** As `using` throws it when both the work and the clean-up fail. */
async function failTwice(first: unknown, second: unknown): Promise<unknown> {
  try {
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(() => {
      throw second
    })
    throw first
  } catch (error) {
    return error
  }
}

test('of an error and one of the clean-up after it, the first is told first, with its code and hint', async () => {
  const first = new ClusterTestError('ERR_WORKLOAD_FAILED', 'pod/a ended.', { hint: 'Look at it.', cause: new Error('why') })
  const error = await failTwice(await failTwice(first, new Error('A network stays.')), new Error('A volume stays.'))
  expect(error).toBeInstanceOf(SuppressedError)
  const later = '\nThe clean-up failed too: A network stays.\nThe clean-up failed too: A volume stays.'
  expect(messageOf(error)).toBe(`pod/a ended.\nHint: Look at it.${later}`)
  const received = deserializeError(serializeError(error))
  expect(received).toMatchObject({ code: 'ERR_WORKLOAD_FAILED', message: `pod/a ended.${later}\nHint: Look at it.`, hint: 'Look at it.' })
  expect(received.cause).toMatchObject({ message: 'why' })
  expect(serializeError(await failTwice('text', new Error('A volume stays.')))).toEqual({
    ...{ code: 'ERR_INTERNAL', causes: [] },
    message: 'text\nThe clean-up failed too: A volume stays.',
  })

  expect(inOne(error)).toBe(first)
  expect(first.message).toBe(`pod/a ended.\nHint: Look at it.${later}`)
})

test.for([
  Object.assign(new Error("ENOSPC: no space left on device, mkdtemp '/tmp/vitest-kubernetes-'"), { code: 'ENOSPC' }),
  Object.assign(new Error('(HTTP code 500) server error - write /var/lib/docker/x: no space left on device'), { statusCode: 500 }),
])('a full disk is named, with what makes room: %s', (cause) => {
  expect(deserializeError(serializeError(cause))).toMatchObject({
    code: 'ERR_DISK_FULL',
    message: `A disk is full: ${cause.message}.\nHint: Free space in "${tmpdir()}", or set TMPDIR to a folder that has some; "docker system df" shows what Docker takes.`,
  })
})

test('what is not to leave the process is taken out of message, hint and causes', () => {
  const error = new ClusterTestError('ERR_SEED_FAILED', 'psql as hunter22', {
    hint: 'Not hunter22?',
    cause: new Error('hunter22 is wrong'),
  })
  const redact = (text: string) => text.replaceAll('hunter22', '[redacted]')
  expect(JSON.stringify(serializeError(error, redact))).not.toContain('hunter22')
  expect(deserializeError(serializeError(error, redact))).toMatchObject({
    message: 'psql as [redacted]\nHint: Not [redacted]?',
    cause: { message: '[redacted] is wrong' },
  })
})
