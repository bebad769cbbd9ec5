import { serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

/** The built front end, and the gateway under the same address. */
const gateway = process.env['GATEWAY_URL'] ?? 'http://gateway'
const app = new Hono()
  .get('/health', (context) => context.text('ok'))
  .all('/graphql', (context) => proxy(`${gateway}/graphql`, context.req))
  .use(serveStatic({ root: './dist' }))

const server = serve({ fetch: app.fetch, port: 3000 })
process.once('SIGTERM', () => {
  server.close()
  if ('closeAllConnections' in server) setTimeout(() => server.closeAllConnections(), 1_000).unref()
})
