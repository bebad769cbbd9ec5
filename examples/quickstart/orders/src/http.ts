import type { IncomingMessage, RequestListener } from 'node:http'
import { json } from 'node:stream/consumers'

export class HttpError extends Error {
  readonly status: number

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export interface Reply {
  readonly status: number
  readonly body: unknown
}

/** Answers every request with JSON, and every error with `{ error }`. */
export function jsonApi(route: (request: IncomingMessage, path: readonly string[]) => Promise<Reply>): RequestListener {
  return async (request, response) => {
    const path = (request.url ?? '/').split('?')[0]!.split('/').slice(1)
    const { status, body } = await route(request, path).catch(replyOf)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}

export async function readJson(request: IncomingMessage): Promise<unknown> {
  try {
    return await json(request)
  } catch (cause) {
    throw new HttpError(400, 'The body is not JSON.', { cause })
  }
}

export function isQuantity(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

function replyOf(error: unknown): Reply {
  if (error instanceof HttpError) return { status: error.status, body: { error: error.message } }
  console.error(error)
  return { status: 500, body: { error: 'Internal error.' } }
}
