import { ClusterTestError } from '../../support/errors.ts'
import { type ExpectedRequest, describeMatch, matchesHead } from '../junction/match.ts'
import type { ReceivedRequest } from '../options.ts'

/** The requests that a bridge has received, and who waits for one. */
export interface ReceivedRequests {
  readonly all: readonly ReceivedRequest[]
  add(request: ReceivedRequest): void
  expect(expected: ExpectedRequest, timeout: number): Promise<ReceivedRequest>
}

export function createReceived(workload: string): ReceivedRequests {
  const all: ReceivedRequest[] = []
  const waiting = new Set<(request: ReceivedRequest) => void>()
  return {
    all,
    add(request) {
      all.push(request)
      for (const each of waiting) each(request)
    },
    async expect(expected, timeout) {
      const found = all.find((request) => matchesHead(request, expected))
      if (found) return found
      const { promise, resolve, reject } = Promise.withResolvers<ReceivedRequest>()
      const check = (request: ReceivedRequest) => matchesHead(request, expected) && resolve(request)
      waiting.add(check)
      const timer = setTimeout(() => reject(notReceived(workload, expected, all, timeout)), timeout)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        waiting.delete(check)
      }
    },
  }
}

function notReceived(workload: string, expected: ExpectedRequest, all: readonly ReceivedRequest[], timeout: number) {
  const last = all.slice(-10).map((request) => `\n  ${request.method} ${request.url}`)
  return new ClusterTestError(
    'ERR_BRIDGE_NOT_RECEIVED',
    `The bridge of "${workload}" received no request for ${describeMatch([expected])} within ${timeout} ms.${last.length > 0 ? ` It received ${all.length}, the last ones:${last.join('')}` : ' It received none.'}`,
  )
}
