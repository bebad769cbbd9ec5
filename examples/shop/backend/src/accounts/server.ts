import { createPubSub } from 'graphql-yoga'
import { Connection } from 'rabbitmq-client'
import { createClient } from 'redis'

import type { OrderPlaced } from '../orders/subgraph.ts'
import { required, serve } from '../serve.ts'
import { accountsApp } from './subgraph.ts'

const redis = createClient({ url: required('CACHE_URL') })
redis.on('error', (error: Error) => console.error(`Redis: ${error.message}`))
await redis.connect()
const queue = new Connection({ url: required('QUEUE_URL'), retryLow: 200, retryHigh: 1_000 })
queue.on('error', (error) => console.error(`RabbitMQ: ${error.message}`))

// Points are counted once, by one of the pods; each pod tells its own subscribers.
const orders = { exchanges: [{ exchange: 'orders', type: 'fanout', durable: true }], queueBindings: [{ exchange: 'orders' }] }
const points = queue.createConsumer({ ...orders, queue: 'points', queueOptions: { durable: true } }, async ({ body }) => {
  const { account, cents } = body as OrderPlaced
  await redis.hIncrBy(`account:${account}`, 'points', Math.floor(cents / 100))
})
const placed = createPubSub<{ [account: string]: [id: string] }>()
const news = queue.createConsumer({ ...orders, queueOptions: { exclusive: true } }, ({ body }) => {
  const { account, id } = body as OrderPlaced
  placed.publish(account, id)
})
for (const consumer of [points, news]) consumer.on('error', (error: Error) => console.error(`RabbitMQ: ${error.message}`))

await Promise.all([points, news].map((consumer) => new Promise((resolve) => consumer.once('ready', resolve))))

const accounts = accountsApp({
  async find(name) {
    const { email, points: count } = await redis.hGetAll(`account:${name}`)
    return email === undefined ? undefined : { name, email, points: Number(count ?? 0) }
  },
  ordersOf: (name) => placed.subscribe(name),
})
await serve(accounts, async () => {
  await points.close()
  await news.close()
  await queue.close()
  await redis.close()
})
