import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type KubeClient, KubeStatusError, statusError } from './client.ts'

export interface LogOptions {
  /** @default the only one */
  readonly container?: string
  /** Last lines only. @default all */
  readonly tail?: number
  /** Of the container's previous run, when it has been restarted. @default false */
  readonly previous?: boolean
  readonly signal?: AbortSignal | undefined
}

/** The log of one container of a pod as text. */
export function readPodLog(
  client: KubeClient,
  namespace: string,
  pod: string,
  { container, tail, previous, signal }: LogOptions = {},
): Promise<string> {
  return client.requestText(`/api/v1/namespaces/${namespace}/pods/${pod}/log`, { query: { container, tailLines: tail, previous }, signal })
}

interface StreamOptions extends LogOptions {
  readonly follow: boolean
  /** Milliseconds for the server to begin its answer. @default 30_000 */
  readonly patience?: number
}

/**
 * The same as a stream, which goes on with the container when it follows.
 * @throws KubeStatusError for a container that has no log, `ERR_KUBE_UNREACHABLE` for a server that does not answer
 */
export async function streamPodLog(
  client: KubeClient,
  namespace: string,
  pod: string,
  { container, tail, previous, signal, follow, patience = 30_000 }: StreamOptions,
): Promise<Readable> {
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`
  const url = new URL(client.config.getCurrentCluster()!.server + path)
  const query = { container, tailLines: tail, previous, follow }
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value))
  const options: RequestOptions = { ...(signal ? { signal } : {}) }
  await client.config.applyToHTTPSOptions(options)
  const request = https.get(url, options)
  // Silence is not an error of a log, only of a server that has not begun to answer.
  request.setTimeout(patience, () => request.destroy(new Error(`no answer within ${patience} ms`)))
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    request.setTimeout(0)
    if (response.statusCode === 200) return response
    throw statusError('GET', path, response.statusCode ?? 0, await text(response))
  } catch (error) {
    if (error instanceof KubeStatusError || signal?.aborted) throw error
    throw new ClusterTestError('ERR_KUBE_UNREACHABLE', `The API server at ${url.origin} did not answer GET ${path}: ${messageOf(error)}.`, {
      cause: error,
    })
  }
}
