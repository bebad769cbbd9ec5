import { connect } from '@nats-io/transport-node'
import { createClient } from 'redis'

import { serve } from './serve.ts'

const events = await connect({ servers: process.env['EVENTS_URL']! })
const store = await createClient({ url: process.env['CACHE_URL']! }).connect()

void (async () => {
  for await (const message of events.subscribe('orders.created')) {
    const { id, sku } = message.json<{ id: number; sku: string }>()
    await store.rPush('mails', `${process.env['GREETING']}: order ${id} of ${sku}`)
  }
})()

await serve({
  async 'GET /mails'() {
    return { status: 200, body: await store.lRange('mails', 0, -1) }
  },
})
