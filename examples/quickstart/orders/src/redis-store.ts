import { createClient } from 'redis'

import type { Order, OrderStore } from './app.ts'

export async function connectRedisStore(url: string): Promise<OrderStore & AsyncDisposable> {
  const client = createClient({ url })
  // The client reconnects by itself; without a listener, an error would end the process.
  client.on('error', (error: Error) => console.error(`Redis: ${error.message}`))
  await client.connect()
  return {
    isReady: () => client.isReady,
    async save(order) {
      await client.set(`order:${order.id}`, JSON.stringify(order))
    },
    async find(id) {
      const order = await client.get(`order:${id}`)
      return order === null ? undefined : (JSON.parse(order) as Order)
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}
