import { once } from 'node:events'
import { createServer } from 'node:http'

import { ordersApp } from './app.ts'
import { connectRedisStore } from './redis-store.ts'

const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])

await using store = await connectRedisStore(process.env['REDIS_URL'] ?? 'redis://redis:6379')
await using server = createServer(ordersApp({ store, inventoryUrl: process.env['INVENTORY_URL'] ?? 'http://inventory' }))
server.listen(process.env['PORT'] ?? 3000)

await stop
