import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'

// As the first process of a container it ends by nothing that it does not handle.
const leave = () => process.exit(0)
process.once('SIGTERM', leave)

/** Serves on PORT (3000) until SIGTERM. Open subscriptions end then; other requests are answered first. */
export async function serve(listener: RequestListener, close: () => Promise<unknown> = async () => {}): Promise<void> {
  const server = createServer(listener).listen(Number(process.env['PORT'] ?? 3000))
  process.off('SIGTERM', leave)
  await once(process, 'SIGTERM')
  server.close()
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), 1_000).unref()
  await once(server, 'close')
  await close()
}

/** An environment variable without which the service cannot work. */
export function required(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`The environment variable ${name} is not set.`)
  return value
}
