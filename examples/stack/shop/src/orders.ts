import { connect } from '@nats-io/transport-node'
import { Pool } from 'pg'

import { serve } from './serve.ts'

const db = new Pool({ connectionString: process.env['DATABASE_URL'] })
const events = await connect({ servers: process.env['EVENTS_URL']! })

await serve({
  async 'POST /orders'({ body, authorization }) {
    if (authorization !== `Bearer ${process.env['API_TOKEN']}`) return { status: 401 }
    const { sku, quantity } = body as { sku: string; quantity: number }
    const response = await fetch(`${process.env['CATALOGUE_URL']}/products/${encodeURIComponent(sku)}`)
    if (!response.ok) return { status: 422, body: { error: `no product "${sku}"` } }
    const { cents } = (await response.json()) as { cents: number }
    const { rows } = await db.query<{ id: number }>('insert into orders (sku, quantity, cents) values ($1, $2, $3) returning id', [
      sku,
      quantity,
      cents * quantity,
    ])
    const order = { id: rows[0]!.id, sku, quantity, cents: cents * quantity }
    events.publish('orders.created', JSON.stringify(order))
    await events.flush()
    return { status: 201, body: order }
  },
})
