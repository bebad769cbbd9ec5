import { once } from 'node:events'
import { type IncomingMessage, createServer } from 'node:http'
import { json } from 'node:stream/consumers'

export interface Answer {
  readonly status: number
  readonly body?: unknown
}

/** Answers requests until the pod ends. Routes are `GET /orders`; what comes behind the path is the second argument. */
export async function serve(routes: Readonly<Record<string, (request: Request, rest: string) => Promise<Answer>>>): Promise<void> {
  const server = createServer(async (request, response) => {
    const { status, body } = await answer(request).catch((error: unknown) => ({ status: 500, body: { error: String(error) } }))
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? null))
  }).listen(3000)
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  server.close()
  process.exit(0)

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { method, url = '/', headers } = request
    if (url === '/healthz') return { status: 200 }
    const [route, handle] = Object.entries(routes).find(([each]) => `${method} ${url}`.startsWith(each)) ?? []
    if (!route || !handle) return { status: 404 }
    const body = method === 'POST' ? await json(request) : undefined
    return handle({ body, authorization: headers.authorization }, decodeURIComponent(`${method} ${url}`.slice(route.length)))
  }
}

export interface Request {
  readonly body: unknown
  readonly authorization: string | undefined
}
