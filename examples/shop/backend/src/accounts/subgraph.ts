import { subgraph } from '../subgraph.ts'

export const typeDefs = /* GraphQL */ `
  type Query {
    account(name: ID!): Account
  }

  type Account @key(fields: "name") {
    name: ID!
    email: String!
    "One for each full euro of an order."
    points: Int!
  }

  type Order @key(fields: "id", resolvable: false) {
    id: ID!
  }

  type Subscription {
    orderPlaced(account: ID!): Order!
  }
`

export interface Account {
  readonly name: string
  readonly email: string
  readonly points: number
}

export interface AccountsOptions {
  readonly find: (name: string) => Promise<Account | undefined>
  /** The ids of the orders that an account places from now on, until the caller returns. */
  readonly ordersOf: (name: string) => AsyncIterable<string>
}

export function accountsApp(options: AccountsOptions) {
  return subgraph(typeDefs, resolvers(options))
}

export function resolvers({ find, ordersOf }: AccountsOptions) {
  return {
    Query: { account: (_: unknown, { name }: { name: string }) => find(name) },
    Account: { __resolveReference: ({ name }: { name: string }) => find(name) },
    Subscription: {
      orderPlaced: {
        subscribe: (_: unknown, { account }: { account: string }) => ordersOf(account),
        resolve: (id: string) => ({ id }),
      },
    },
  }
}
