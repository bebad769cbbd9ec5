import { createClient } from 'redis'

import type { Order, OrderStore } from './app.ts'

/** Connects in the background, again and again: until then, and whenever Redis is away, the store is not ready. */
export function startRedisStore(url: string): OrderStore & AsyncDisposable {
  const client = createClient({ url, disableOfflineQueue: true })
  const report = (error: Error) => console.error(`Redis: ${error.message}`)
  client.on('error', report)
  client.connect().catch(report)
  return {
    isReady: () => client.isReady,
    async save(order) {
      await client.set(`order:${order.id}`, JSON.stringify(order))
    },
    async find(id) {
      const order = await client.get(`order:${id}`)
      return order === null ? undefined : (JSON.parse(order) as Order)
    },
    async [Symbol.asyncDispose]() {
      if (client.isReady) await client.close()
      else client.destroy()
    },
  }
}
