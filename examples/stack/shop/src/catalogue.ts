import { Pool } from 'pg'
import { createClient } from 'redis'

import { serve } from './serve.ts'

interface Product {
  readonly sku: string
  readonly name: string
  readonly cents: number
}

const db = new Pool({ connectionString: process.env['DATABASE_URL'] })
const cache = await createClient({ url: process.env['CACHE_URL']! }).connect()
const currency = process.env['CURRENCY'] ?? 'EUR'

await serve({
  async 'GET /products/'(_, sku) {
    const { rows } = await db.query<Product>('select sku, name, cents from product where sku = $1', [sku])
    const [product] = rows
    if (!product) return { status: 404 }
    const rate = Number((await cache.get(`rate:${currency}`)) ?? 1)
    return { status: 200, body: { ...product, cents: Math.round(product.cents * rate), currency } }
  },
  async 'POST /admin/import'({ body }) {
    const products = body as readonly Product[]
    for (const { sku, name, cents } of products)
      await db.query('insert into product (sku, name, cents) values ($1, $2, $3) on conflict (sku) do nothing', [sku, name, cents])
    return { status: 200, body: { imported: products.length } }
  },
})
