import { Pool } from 'pg'
import { Connection } from 'rabbitmq-client'

import { required, serve } from '../serve.ts'
import { stockOf } from './stock.ts'
import { ordersApp } from './subgraph.ts'

const sql = new Pool({ connectionString: required('DATABASE_URL') })
sql.on('error', (error) => console.error(`PostgreSQL: ${error.message}`))
const queue = new Connection({ url: required('QUEUE_URL'), retryLow: 200, retryHigh: 1_000 })
queue.on('error', (error) => console.error(`RabbitMQ: ${error.message}`))
const publisher = queue.createPublisher({
  confirm: true,
  maxAttempts: 3,
  exchanges: [{ exchange: 'orders', type: 'fanout', durable: true }],
})

const orders = ordersApp({
  sql,
  take: stockOf(required('PRODUCTS_URL'), required('STOCK_TOKEN')),
  publish: (order) => publisher.send({ exchange: 'orders', durable: true }, order),
})
await serve(orders, async () => {
  await publisher.close()
  await queue.close()
  await sql.end()
})
