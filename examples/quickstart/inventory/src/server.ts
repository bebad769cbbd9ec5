import { once } from 'node:events'
import { createServer } from 'node:http'

import pg from 'pg'

import { inventoryApp } from './app.ts'

const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])

// Host, user, password and database come from PGHOST, PGUSER, PGPASSWORD and PGDATABASE.
const database = new pg.Pool({ connectionTimeoutMillis: 1_000 })
database.on('error', (error) => console.error(`PostgreSQL: ${error.message}`))
await using cleanup = new AsyncDisposableStack()
cleanup.defer(() => database.end())
cleanup.use(createServer(inventoryApp(database)).listen(process.env['PORT'] ?? 3000))

await stop
