import { expect, test } from 'vitest'

import { createObjectOwners } from './object-owners.ts'

const { signal } = new AbortController()
const orders = { suite: 'orders', file: 'a.test.ts' }
const shop = { suite: 'shop', file: 'b.test.ts' }

test('an object belongs to one suite at a time, and the error names both', async () => {
  const objectOwners = createObjectOwners()
  await objectOwners.claim(['ClusterRole "reader"'], orders, { signal })
  await objectOwners.claim(['ClusterRole "reader"', 'ClusterRole "writer"'], orders, { signal })
  await expect(objectOwners.claim(['ClusterRole "writer"'], shop, { signal })).rejects.toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Suites "orders" (a.test.ts) and "shop" (b.test.ts) share a cluster, and both declare ClusterRole "writer".
    Hint: Rename it in one of them, omit its namespace if it names one, or set cluster: 'own'.]
  `)
})

test('the next suite waits until the object of an ended one is removed', async () => {
  const objectOwners = createObjectOwners()
  const removal = Promise.withResolvers<void>()
  await objectOwners.claim(['ClusterRole "reader"', 'Namespace "shop"'], orders, { signal })
  objectOwners.release(orders, (key) => (key.startsWith('Namespace') ? new Promise(() => {}) : removal.promise))
  let isClaimed = false
  const claim = objectOwners.claim(['ClusterRole "reader"'], shop, { signal }).then(() => (isClaimed = true))
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(isClaimed).toBe(false)
  removal.resolve()
  await claim
  await expect(objectOwners.claim(['ClusterRole "reader"'], orders, { signal })).rejects.toMatchObject({
    code: 'ERR_CLUSTER_SHARED_CONFLICT',
  })
})

test('what could not be removed is an error for the next suite, and free after that', async () => {
  const objectOwners = createObjectOwners()
  await objectOwners.claim(['ClusterRole "reader"'], orders, { signal })
  objectOwners.release(orders, () => Promise.reject(new Error('a finalizer holds it')))
  await expect(objectOwners.claim(['ClusterRole "reader"'], shop, { signal })).rejects.toThrow('a finalizer holds it')
  await objectOwners.claim(['ClusterRole "reader"'], shop, { signal })
})

test('the next suite says what it waits for, and so does its error when the time is up', async () => {
  const objectOwners = createObjectOwners()
  await objectOwners.claim(['ClusterRole "reader"'], orders, { signal })
  objectOwners.release(orders, () => new Promise(() => {}))
  const notes: string[] = []
  const wait = objectOwners.claim(['ClusterRole "reader"'], shop, { signal: AbortSignal.timeout(10), onWait: (text) => notes.push(text) })
  await expect(wait).rejects.toMatchObject({
    code: 'ERR_CLUSTER_LEFTOVERS',
    message:
      'The time of suite "shop" was up while it waited for ClusterRole "reader", which suite "orders" (a.test.ts) has left and which is still being removed.',
  })
  expect(notes).toEqual(['waits for ClusterRole "reader", which suite "orders" (a.test.ts) has left and which is still being removed'])
})
