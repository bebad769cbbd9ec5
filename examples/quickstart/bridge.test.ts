import { describe, expect } from 'vitest-kubernetes'

import { type Order, ordersApp } from './orders/src/app.ts'

const shop = {
  images: ['./orders', './inventory'],
  manifests: ['./k8s'],
  seed: { 'statefulset/postgres': './seed/shop.sql' },
}

describe.withCluster(
  'orders, bridged',
  { ...shop, bridge: { 'deployment/orders': { build: './orders', env: { set: { NODE_ENV: 'test' } } } } },
  (test) => {
    test('the local container answers, with the environment of the pods and the real Redis and inventory', async ({
      cluster,
      request,
      bridges,
    }) => {
      const { body } = await request('orders').post('/orders').send({ sku: 'A-1', quantity: 2 }).expect(201)

      expect(await cluster.sql('statefulset/postgres', 'select quantity from stock where sku = $1', ['A-1'])).toEqual([{ quantity: 8 }])
      expect((await cluster.exec('deployment/redis', ['redis-cli', 'exists', `order:${body.id}`])).stdout.trim()).toBe('1')
      const { output } = await bridges['deployment/orders'].container!.exec(['node', '-p', 'process.env.NODE_ENV + process.env.REDIS_URL'])
      expect(output.trim()).toBe('testredis://redis:6379')
    })
  },
)

describe.withCluster('orders, in this process', shop, (test) => {
  test('the code under test runs here, and calls the real inventory by its name', async ({ cluster, request }) => {
    const orders = new Map<string, Order>()
    const store = {
      isReady: () => true,
      save: async (order: Order) => void orders.set(order.id, order),
      find: async (id: string) => orders.get(id),
    }
    await using bridge = await cluster.bridge('deployment/orders', { server: ordersApp({ store, inventoryUrl: 'http://inventory' }) })

    await request('orders').post('/orders').send({ sku: 'A-1', quantity: 3 }).expect(201)

    expect([...orders.values()]).toEqual([expect.objectContaining({ sku: 'A-1', quantity: 3 })])
    await bridge.expectLocal({ method: 'POST', path: '/orders' })
    expect(await cluster.sql('statefulset/postgres', 'select quantity from stock where sku = $1', ['A-1'])).toEqual([{ quantity: 7 }])
  })
})
