import { once } from 'node:events'
import { createServer } from 'node:http'

import { ordersApp } from './app.ts'
import { startRedisStore } from './redis-store.ts'

const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])

await using cleanup = new AsyncDisposableStack()
const store = cleanup.use(startRedisStore(process.env['REDIS_URL'] ?? 'redis://redis:6379'))
const app = ordersApp({ store, inventoryUrl: process.env['INVENTORY_URL'] ?? 'http://inventory' })
cleanup.use(createServer(app).listen(process.env['PORT'] ?? 3000))

await stop
