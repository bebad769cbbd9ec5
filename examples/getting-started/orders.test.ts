// #region suite
import { describe, expect, postgres } from 'vitest-kubernetes'

import { app } from './src/app.ts'

describe.withCluster(
  'orders with a real database',
  {
    services: { db: postgres() },
    seed: { db: './seed/orders.sql' },
    manifests: './k8s',
    bridge: { 'deployment/orders': { server: app, standIn: true } }, // your code answers; there is no image
  },
  (test) => {
    test.beforeEach(({ cluster }) => cluster.reset('db'))

    test('keeps an order', async ({ cluster, request }) => {
      await request('orders').post('/orders').send({ sku: 'B-2', quantity: 1 }).expect(201)

      expect(await cluster.sql('db', 'select sku, quantity from orders order by id')).toEqual([
        { sku: 'A-1', quantity: 3 },
        { sku: 'B-2', quantity: 1 },
      ])
    })

    test('refuses what the schema refuses, and changes nothing', async ({ cluster, request }) => {
      const { body } = await request('orders').post('/orders').send({ sku: 'B-2', quantity: 0 }).expect(400)

      expect(body.error).toContain('orders_quantity_check')
      expect(await cluster.sql('db', 'select count(*)::int from orders')).toEqual([{ count: 1 }])
    })
  },
)
// #endregion
