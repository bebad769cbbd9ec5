import type { RequestListener } from 'node:http'

import type { Pool } from 'pg'

import { HttpError, isQuantity, jsonApi, readJson, type Reply } from './http.ts'

export interface Stock {
  readonly sku: string
  readonly name: string
  readonly quantity: number
}

export function inventoryApp(database: Pool): RequestListener {
  return jsonApi(async (request, [resource, segment, action]): Promise<Reply> => {
    const sku = decodeURIComponent(segment ?? '')
    const route = [request.method, ` /${resource}`, segment && '/:sku', action && `/${action}`].join('')
    switch (route) {
      case 'GET /healthz':
        await database.query('SELECT 1').catch((cause: unknown) => {
          throw new HttpError(503, 'The database does not answer.', { cause })
        })
        return { status: 200, body: { ready: true } }
      case 'GET /stock/:sku':
        return { status: 200, body: await find(database, sku) }
      case 'POST /stock/:sku/reserve': {
        const { quantity } = Object(await readJson(request)) as { quantity?: unknown }
        if (!isQuantity(quantity)) throw new HttpError(400, 'Expected "quantity" to be a positive integer.')
        return { status: 200, body: await reserve(database, sku, quantity) }
      }
      default:
        throw new HttpError(404, `Nothing answers ${request.method} ${request.url}.`)
    }
  })
}

async function find(database: Pool, sku: string): Promise<Stock> {
  const { rows } = await database.query<Stock>('SELECT sku, name, quantity FROM stock WHERE sku = $1', [sku])
  if (!rows[0]) throw new HttpError(404, `There is no article "${sku}".`)
  return rows[0]
}

/** Checks and takes in one statement, so that two orders never get the same piece. */
async function reserve(database: Pool, sku: string, quantity: number): Promise<Stock> {
  const { rows } = await database.query<Stock>(
    'UPDATE stock SET quantity = quantity - $2 WHERE sku = $1 AND quantity >= $2 RETURNING sku, name, quantity',
    [sku, quantity],
  )
  if (rows[0]) return rows[0]
  const stock = await find(database, sku)
  throw new HttpError(409, `Only ${stock.quantity} of "${sku}" are left.`)
}
