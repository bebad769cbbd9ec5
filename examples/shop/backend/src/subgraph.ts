import { buildSubgraphSchema } from '@apollo/subgraph'
import type { GraphQLResolverMap } from '@apollo/subgraph/dist/schema-helper/resolverMap.js'
import { parse } from 'graphql'
import { createYoga } from 'graphql-yoga'

/** A subgraph, as a listener for `http.createServer`. Health is at `/health`, GraphQL at `/graphql`. */
export function subgraph(typeDefs: string, resolvers: GraphQLResolverMap<unknown>) {
  return createYoga({
    schema: buildSubgraphSchema({ typeDefs: parse(`${link}\n${typeDefs}`), resolvers }),
    landingPage: false,
    logging: 'warn',
  })
}

const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key"])'
