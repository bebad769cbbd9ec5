// #region quickstart
import { describe, expect } from 'vitest-kubernetes'

describe.withCluster(
  'orders',
  {
    images: ['./orders', './inventory'], // folders with a Dockerfile
    manifests: ['./k8s'], // files, folders, globs or objects
    seed: { 'statefulset/postgres': './seed/shop.sql' }, // data
  },
  (test) => {
    test('an order takes stock from the real inventory service', async ({ cluster, request }) => {
      await request('orders').post('/orders').send({ sku: 'A-1', quantity: 2 }).expect(201) // supertest, through the Service

      const stock = await cluster.sql('statefulset/postgres', 'select quantity from stock where sku = $1', ['A-1'])
      expect(stock).toEqual([{ quantity: 8 }])
    })
    // #endregion

    test('an order for more than there is changes nothing', async ({ cluster, request }) => {
      const before = await cluster.sql('statefulset/postgres', 'select * from stock order by sku')

      await request('orders').post('/orders').send({ sku: 'B-1', quantity: 2 }).expect(409)

      expect(await cluster.sql('statefulset/postgres', 'select * from stock order by sku')).toEqual(before)
    })

    test('an order is kept in Redis, and every replica finds it', async ({ cluster, request }) => {
      const { body } = await request('orders').post('/orders').send({ sku: 'A-2', quantity: 1 }).expect(201)

      for (let attempt = 0; attempt < 10; attempt++) await request('orders').get(`/orders/${body.id}`).expect(200, body)
      const { stdout } = await cluster.exec('deployment/redis', ['redis-cli', 'dbsize'])
      expect(Number(stdout)).toBeGreaterThan(0)
    })
    // #region quickstart-end
  },
)
// #endregion
