import type { RequestListener } from 'node:http'
import { json } from 'node:stream/consumers'

import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL ?? 'postgres://app:app@db/app' })

/** The service: `POST /orders` keeps an order, `GET /orders` lists them. */
export const app: RequestListener = async (request, response) => {
  const reply = (status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  try {
    if (request.url !== '/orders') return reply(404, { error: 'Not found.' })
    if (request.method === 'POST') {
      const { sku, quantity } = (await json(request)) as { sku: string; quantity: number }
      const { rows } = await pool.query('insert into orders (sku, quantity) values ($1, $2) returning *', [sku, quantity])
      return reply(201, rows[0])
    }
    const { rows } = await pool.query('select * from orders order by id')
    return reply(200, rows)
  } catch (error) {
    // 23514: a check of the schema.
    return reply((error as { code?: string }).code === '23514' ? 400 : 500, { error: (error as Error).message })
  }
}
