import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'

import { addressOf } from './limit-requests.ts'

/** What an engine was asked and has not answered. */
export interface RequestWatch extends Disposable {
  /** `unix:///var/run/docker.sock did not answer GET /info`; undefined when nothing is under way. */
  describe(): string | undefined
}

/** Looks on by the channels of Node.js: the first requests are testcontainers' own, which have no limit and no name. */
export function watchRequests(): RequestWatch {
  const open = new Set<ClientRequest>()
  const started = (message: unknown) => {
    const { request } = message as { request: ClientRequest }
    if (String(request.getHeader('user-agent')).startsWith('tc-node/')) open.add(request)
  }
  const ended = (message: unknown) => void open.delete((message as { request: ClientRequest }).request)
  const listeners = [
    ['http.client.request.start', started],
    ['http.client.response.finish', ended],
    ['http.client.request.error', ended],
  ] as const
  for (const [channel, listener] of listeners) subscribe(channel, listener)
  return {
    describe() {
      const [request] = open
      if (!request) return undefined
      const [host, port] = String(request.getHeader('host')).split(/:(?=\d+$)/)
      const { socketPath } = request as { socketPath?: string }
      return `${addressOf({ socketPath, host, port })} did not answer ${request.method} ${request.path.replace(/\?.*/, '')}`
    },
    [Symbol.dispose]() {
      for (const [channel, listener] of listeners) unsubscribe(channel, listener)
    },
  }
}
