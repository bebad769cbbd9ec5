import type { RequestListener } from 'node:http'
import { json } from 'node:stream/consumers'

import { GraphQLError } from 'graphql'
import type { Pool } from 'pg'

import { subgraph } from '../subgraph.ts'

export const typeDefs = /* GraphQL */ `
  type Query {
    product(sku: ID!): Product
    "Maps of cities whose name begins so."
    products(name: String!, first: Int = 10): [Product!]!
  }

  type Product @key(fields: "sku") {
    sku: ID!
    name: String!
    country: String!
    "The price of one, in cents."
    cents: Int!
    stock: Int!
  }
`

export interface ProductsOptions {
  readonly sql: Pool
  /** What the other services show to take something from the stock. */
  readonly stockToken: string
}

/** The catalogue: a subgraph, and `POST /stock/:sku/take` for the other services. */
export function productsApp({ sql, stockToken }: ProductsOptions): RequestListener {
  const graph = subgraph(typeDefs, {
    Query: {
      product: (_: unknown, { sku }: { sku: string }) => find(sql, sku),
      products: async (_: unknown, { name, first }: { name: string; first: number }) => {
        if (first > 100) throw new GraphQLError('At most 100 products at a time.')
        const like = `${name.toLowerCase().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
        return (await sql.query('select * from products where lower(name) like $1 order by cents desc, sku limit $2', [like, first])).rows
      },
    },
    Product: { __resolveReference: ({ sku }: { sku: string }) => find(sql, sku) },
  })

  return async (request, response) => {
    const [, sku] = /^\/stock\/([^/]+)\/take$/.exec(request.url!) ?? []
    if (sku === undefined) return void graph(request, response)
    if (request.headers.authorization !== `Bearer ${stockToken}`) return void response.writeHead(401).end()
    const { quantity } = Object(await json(request)) as { quantity: number }
    const taken = await take(sql, decodeURIComponent(sku), quantity)
    response.writeHead(taken ? 200 : 409, { 'content-type': 'application/json' }).end(JSON.stringify(taken ?? null))
  }
}

async function find(sql: Pool, sku: string): Promise<unknown> {
  return (await sql.query('select * from products where sku = $1', [sku])).rows[0]
}

async function take(sql: Pool, sku: string, quantity: number): Promise<unknown> {
  const change = 'update products set stock = stock - $2 where sku = $1 and stock >= $2 returning cents'
  return (await sql.query(change, [sku, quantity])).rows[0]
}
