import { setTimeout as sleep } from 'node:timers/promises'

import { createClient } from 'graphql-sse'
import { Pool } from 'pg'
import { onTestFinished } from 'vitest'
import { describe, expect, type RequestService } from 'vitest-kubernetes'

import { accountsApp, resolvers, typeDefs } from './backend/src/accounts/subgraph.ts'
import { ordersApp } from './backend/src/orders/subgraph.ts'
import { subgraph } from './backend/src/subgraph.ts'
import { shop } from './shop.stack.ts'

interface Answer {
  readonly data: Record<string, unknown> | null
  readonly errors?: readonly { readonly message: string; readonly path?: readonly string[] }[]
}

const placeOrder = 'mutation ($sku: ID!) { placeOrder(account: "ann", sku: $sku) { id cents product { name stock } account { email } } }'
const zurich = 'ch-zürich'

async function ask(request: RequestService, query: string, variables: object = {}): Promise<Answer> {
  return (await request('gateway').post('/graphql').timeout(20_000).send({ query, variables })).body as Answer
}

const ann = { find: async (name: string) => ({ name, email: 'ann@local', points: 1 }), ordersOf: async function* () {} }

describe.withCluster('shop', shop, (test) => {
  test.beforeEach(({ cluster }) => cluster.reset())

  test('a query crosses all three subgraphs, over the data of all three stores', async ({ request }) => {
    const { data } = await ask(request, placeOrder, { sku: zurich })
    expect(data).toEqual({
      placeOrder: { id: '1', cents: expect.any(Number), product: { name: 'Zürich', stock: 9 }, account: { email: 'ann@example.com' } },
    })
    const query = '{ account(name: "ann") { points orders { id product { name country } } } }'
    await expect
      .poll(async () => (await ask(request, query)).data)
      .toEqual({
        account: { points: expect.toSatisfy((points) => points > 12), orders: [{ id: '1', product: { name: 'Zürich', country: 'CH' } }] },
      })
  })

  describe('a fault between two services', () => {
    const odd = "select sku from products where sku ~ '[/?#%]' order by sku limit 5"

    test('every product can be ordered, whatever its name is', async ({ cluster, request }) => {
      for (const { sku } of await cluster.sql<{ sku: string }>('db', odd)) {
        const { data, errors } = await ask(request, placeOrder, { sku })
        expect([sku, errors, data?.['placeOrder']]).toEqual([
          sku,
          undefined,
          expect.objectContaining({ product: expect.objectContaining({ stock: 9 }) }),
        ])
      }
    })

    test('the same code without encodeURIComponent: a mock answers it, the real neighbour does not', async ({ cluster, request }) => {
      const sql = new Pool({ connectionString: cluster.services.db.url })
      onTestFinished(() => sql.end())
      const { STOCK_TOKEN } = await cluster.env('deployment/orders')
      const take = async (sku: string, quantity: number) => {
        const headers = { authorization: `Bearer ${STOCK_TOKEN}`, 'content-type': 'application/json' }
        const response = await fetch(`http://products/stock/${sku}/take`, { method: 'POST', headers, body: JSON.stringify({ quantity }) })
        return response.ok ? ((await response.json()) as { cents: number }).cents : undefined
      }
      await using _bridge = await cluster.bridge('deployment/orders', { server: ordersApp({ sql, take, publish: async () => {} }) })

      // The first request on a connection that the gateway had open to the pods is reset.
      await expect.poll(async () => (await ask(request, placeOrder, { sku: zurich })).errors).toBeUndefined()
      const [{ sku }] = (await cluster.sql<{ sku: string }>('db', odd)) as [{ sku: string }]
      expect((await ask(request, placeOrder, { sku })).errors).toHaveLength(1)
    })
  })

  describe('schemas', () => {
    test('a subgraph in the test, with one more field, is composed into the real gateway', async ({ cluster, request }) => {
      const app = subgraph(`${typeDefs} extend type Account { level: String! }`, {
        ...resolvers(ann),
        Account: { ...resolvers(ann).Account, level: ({ points }: { points: number }) => (points > 0 ? 'gold' : 'none') },
      })
      await using bridge = await cluster.bridge('deployment/accounts', { server: app })
      const query = '{ account(name: "ann") { level orders { id } } }'
      await expect.poll(async () => (await ask(request, query)).data).toEqual({ account: { level: 'gold', orders: [] } })

      await bridge[Symbol.asyncDispose]()
      await expect.poll(async () => (await ask(request, query)).errors?.[0]?.message).toContain('level')
    })

    test('one that does not compose is refused: the gateway keeps the last one, and recovers', async ({ cluster, request }) => {
      const broken = `${typeDefs} type Product @key(fields: "sku") { sku: ID! cents: String! }`
      const status = async () => (await request('gateway').get('/supergraph')).status
      const query = '{ account(name: "ann") { email } product(sku: "ch-zürich") { cents } }'
      {
        await using _bridge = await cluster.bridge('deployment/accounts', { server: subgraph(broken, resolvers(ann)) })
        await expect.poll(status).toBe(503)
        expect((await request('gateway').get('/supergraph')).body.error).toContain('Product.cents')
        // The first request on a connection that the gateway had open to the pods is reset.
        const answer = { data: { account: { email: 'ann@local' }, product: { cents: expect.any(Number) as number } } }
        await expect.poll(() => ask(request, query)).toEqual(answer)
      }
      await expect.poll(status).toBe(200)
    })

    test('a change is followed while another subgraph is down', async ({ cluster, request }) => {
      await using _down = await cluster.scale('deployment/orders', 0)
      const app = subgraph(`${typeDefs} extend type Query { greeting: String! }`, {
        ...resolvers(ann),
        Query: { ...resolvers(ann).Query, greeting: () => 'Hello' },
      })
      await using _bridge = await cluster.bridge('deployment/accounts', { server: app })
      await expect.poll(async () => (await ask(request, '{ greeting }')).data).toEqual({ greeting: 'Hello' })
    })
  })

  describe('neighbours in trouble', () => {
    test('a slow stock ends an order with an error, and takes nothing', async ({ cluster, request }) => {
      await using slow = await cluster.disturb('deployment/products', { match: { path: '/stock/*' }, delay: 5_000 })
      expect((await ask(request, placeOrder, { sku: zurich })).errors).toHaveLength(1)
      expect((await ask(request, '{ product(sku: "ch-zürich") { stock } }')).data).toEqual({ product: { stock: 10 } })

      await slow[Symbol.asyncDispose]()
      expect((await ask(request, placeOrder, { sku: zurich })).errors).toBeUndefined()
    })

    test('the database is restarted: the services find it again by themselves', async ({ cluster, request }) => {
      await cluster.restart('db')
      await expect.poll(async () => (await ask(request, placeOrder, { sku: zurich })).errors).toBeUndefined()
    })

    test('one subgraph is gone: fields of the others are still answered', async ({ cluster, request }) => {
      const query = '{ product(sku: "ch-zürich") { name } account(name: "ann") { email } }'
      {
        await using _down = await cluster.scale('deployment/accounts', 0)
        expect(await ask(request, query)).toMatchObject({
          data: { product: { name: 'Zürich' }, account: null },
          errors: [{ path: ['account'] }],
        })
      }
      expect(await ask(request, query)).toEqual({ data: { product: { name: 'Zürich' }, account: { email: 'ann@example.com' } } })
    })

    test('a gateway that starts before a subgraph waits for it, and answers then', async ({ cluster, request }) => {
      const down = await cluster.scale('deployment/accounts', 0)
      await expect(cluster.restart('deployment/gateway', { timeout: 8_000 })).rejects.toMatchObject({ code: 'ERR_WORKLOAD_NOT_READY' })
      await down[Symbol.asyncDispose]()
      await expect
        .poll(async () => (await ask(request, '{ account(name: "ann") { email } }').catch(() => undefined))?.data, { timeout: 30_000 })
        .toEqual({ account: { email: 'ann@example.com' } })
    })
  })

  describe('subscriptions', () => {
    const placed = 'subscription ($account: ID!) { orderPlaced(account: $account) { id product { name } } }'

    /** What comes of a subscription, how it ended, and how to end it. */
    function subscribe(url: string, account: string) {
      const events: unknown[] = []
      const ended = Promise.withResolvers<'complete' | 'error'>()
      const client = createClient({ url: `${url}/graphql`, retryAttempts: 0 })
      const end = client.subscribe(
        { query: placed, variables: { account } },
        {
          next: ({ data, errors }) => void events.push(errors ? 'error' : data),
          error: () => ended.resolve('error'),
          complete: () => ended.resolve('complete'),
        },
      )
      return { events, ended: ended.promise, end }
    }

    test('an order is told to its account, with fields of other subgraphs', async ({ cluster, request }) => {
      const own = subscribe(cluster.url('gateway'), 'ann')
      const other = subscribe(cluster.url('gateway'), 'ben')
      await expect
        .poll(async () => {
          await ask(request, placeOrder, { sku: zurich })
          return own.events.length
        })
        .toBeGreaterThan(0)
      expect(own.events[0]).toEqual({ orderPlaced: { id: expect.any(String), product: { name: 'Zürich' } } })
      expect(other.events).toEqual([])
      own.end()
      other.end()
    })

    test('the end of one is passed to its subgraph, and its neighbour goes on', async ({ cluster }) => {
      const listening = new Map<string, number>()
      const count = (name: string, change: number) => listening.set(name, (listening.get(name) ?? 0) + change)
      async function* ordersOf(name: string) {
        count(name, 1)
        try {
          for (let id = 1; ; id++) {
            yield String(id)
            await sleep(50)
          }
        } finally {
          count(name, -1)
        }
      }
      await using _bridge = await cluster.bridge('deployment/accounts', { server: accountsApp({ ...ann, ordersOf }) })
      // It has no connection to the pods left, whose next request would be reset.
      await cluster.restart('deployment/gateway')
      const [one, other] = [subscribe(cluster.url('gateway'), 'ann'), subscribe(cluster.url('gateway'), 'ben')]
      await expect.poll(() => [listening.get('ann'), listening.get('ben')]).toEqual([1, 1])
      one.end()
      await expect.poll(() => [listening.get('ann'), listening.get('ben')]).toEqual([0, 1])
      const before = other.events.length
      await expect.poll(() => other.events.length).toBeGreaterThan(before)
      other.end()
      await expect.poll(() => listening.get('ben')).toBe(0)
    })

    test('a subgraph that ends, ends them with an error, and not as if all was told', async ({ cluster }) => {
      const { events, ended } = subscribe(cluster.url('gateway'), 'ann')
      await sleep(1_000)
      await cluster.restart('deployment/accounts')
      expect([await ended, events.at(-1)]).toContain('error')
    })

    test('a bridge takes the next ones, and those that are open stay with the pods', async ({ cluster, request }) => {
      const open = subscribe(cluster.url('gateway'), 'ann')
      await sleep(1_000)
      const names: string[] = []
      async function* ordersOf(name: string) {
        names.push(name)
        yield '1'
      }
      await using _bridge = await cluster.bridge('deployment/accounts', { server: accountsApp({ ...ann, ordersOf }) })
      const next = subscribe(cluster.url('gateway'), 'ben')
      await ask(request, placeOrder, { sku: zurich })
      await expect.poll(() => open.events).toEqual([{ orderPlaced: { id: '1', product: { name: 'Zürich' } } }])
      expect(await next.ended).toBe('complete')
      expect(names).toEqual(['ben'])
      open.end()
    })
  })
})
