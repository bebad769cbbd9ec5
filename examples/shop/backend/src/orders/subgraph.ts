import { GraphQLError } from 'graphql'
import type { Pool } from 'pg'

import { subgraph } from '../subgraph.ts'

export const typeDefs = /* GraphQL */ `
  type Query {
    order(id: ID!): Order
  }

  type Mutation {
    placeOrder(account: ID!, sku: ID!, quantity: Int! = 1): Order!
  }

  type Order @key(fields: "id") {
    id: ID!
    quantity: Int!
    "What all of it costs, in cents."
    cents: Int!
    product: Product!
    account: Account!
  }

  type Product @key(fields: "sku", resolvable: false) {
    sku: ID!
  }

  type Account @key(fields: "name") {
    name: ID!
    "The newest first."
    orders: [Order!]!
  }
`

export interface OrderPlaced {
  readonly id: string
  readonly account: string
  readonly cents: number
}

export interface OrdersOptions {
  readonly sql: Pool
  /** Takes the products from the stock and returns the price of one in cents, or undefined if there are not enough. */
  readonly take: (sku: string, quantity: number) => Promise<number | undefined>
  readonly publish: (order: OrderPlaced) => Promise<void>
}

interface OrderRow extends OrderPlaced {
  readonly sku: string
  readonly quantity: number
}

const columns = 'id, account, sku, quantity, cents'

export function ordersApp({ sql, take, publish }: OrdersOptions) {
  const query = async (text: string, values: unknown[]) => (await sql.query<OrderRow>(text, values)).rows
  const find = async (id: string) => (await query(`select ${columns} from orders where id = $1`, [id]))[0]

  return subgraph(typeDefs, {
    Query: { order: (_: unknown, { id }: { id: string }) => find(id) },
    Mutation: {
      placeOrder: async (_: unknown, { account, sku, quantity }: OrderRow) => {
        if (quantity < 1) throw new GraphQLError('Order at least one.')
        const cents = await take(sku, quantity)
        if (cents === undefined) throw new GraphQLError(`There are no ${quantity} of "${sku}".`)
        const insert = `insert into orders (account, sku, quantity, cents) values ($1, $2, $3, $4) returning ${columns}`
        const [order] = await query(insert, [account, sku, quantity, quantity * cents])
        await publish({ id: order!.id, account, cents: order!.cents })
        return order
      },
    },
    Order: {
      __resolveReference: ({ id }: { id: string }) => find(id),
      product: ({ sku }: OrderRow) => ({ sku }),
      account: ({ account }: OrderRow) => ({ name: account }),
    },
    Account: {
      __resolveReference: ({ name }: { name: string }) => ({ name }),
      orders: ({ name }: { name: string }) => query(`select ${columns} from orders where account = $1 order by id desc limit 100`, [name]),
    },
  })
}
