import { setTimeout as sleep } from 'node:timers/promises'

import { createGatewayRuntime } from '@graphql-hive/gateway-runtime'
import * as http from '@graphql-mesh/transport-http'
import { OperationTypeNode } from 'graphql'

import { required, serve } from '../serve.ts'
import { Supergraph } from './supergraph.ts'

/** `{ "products": "http://products/graphql", … }` */
const supergraph = new Supergraph(JSON.parse(required('SUBGRAPHS')) as Record<string, string>)
// Nothing can be answered before the first one.
while (!(await supergraph.compose().catch(() => undefined))) await sleep(500)

const gateway = createGatewayRuntime({
  supergraph: () => supergraph.compose(),
  pollingInterval: 1_000,
  transports: { http },
  // A subgraph that hangs is one that fails; subscriptions last as long as they last.
  upstreamTimeout: ({ executionRequest }) => (executionRequest?.operationType === OperationTypeNode.SUBSCRIPTION ? undefined : 5_000),
  landingPage: false,
  logging: 'warn',
})

await serve(
  (request, response) => {
    if (request.url !== '/supergraph') return void gateway(request, response)
    response.writeHead(supergraph.error === undefined ? 200 : 503, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: supergraph.error ?? null }))
  },
  async () => gateway[Symbol.asyncDispose](),
)
