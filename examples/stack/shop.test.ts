import { describe, expect } from 'vitest-kubernetes'

import { shop } from './stack.ts'

describe.withCluster('shop', shop, (test) => {
  test.beforeEach(({ cluster }) => cluster.reset('db'))

  test('an order is priced by the chart, kept in PostgreSQL and told by NATS', async ({ cluster, request }) => {
    await request('orders')
      .post('/orders')
      .set('authorization', 'Bearer open sesame')
      .send({ sku: 'A-1', quantity: 2 })
      .expect(201, { id: 1, sku: 'A-1', quantity: 2, cents: 2500 })

    expect(await cluster.sql('db', 'select sku, cents from orders')).toEqual([{ sku: 'A-1', cents: 2500 }])
    await expect
      .poll(async () => (await request('mailer').get('/mails')).body, { timeout: 10_000 })
      .toEqual(['Welcome', 'Thank you: order 1 of A-1'])
  })

  test('an order without the token of the encrypted file is refused', async ({ request }) => {
    await request('orders').post('/orders').send({ sku: 'A-1', quantity: 1 }).expect(401)
  })

  test('each test begins with the rows that were seeded', async ({ cluster }) => {
    expect(await cluster.sql('db', 'select count(*)::int as orders from orders')).toEqual([{ orders: 0 }])
  })

  test('products come from SQL and from the import', async ({ request }) => {
    for (const [sku, name] of Object.entries({ 'A-2': 'Cup', 'B-1': 'Saucer' })) {
      const { body } = await request('catalogue').get(`/products/${sku}`).expect(200)
      expect(body).toMatchObject({ sku, name, currency: 'CHF' })
    }
  })
})
