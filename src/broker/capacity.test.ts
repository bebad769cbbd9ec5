import { expect, test } from 'vitest'

import { createCapacity } from './capacity.ts'

test('gives slots in the order of asking, and never more than there are', async () => {
  const capacity = createCapacity(1)
  const { signal } = new AbortController()
  const order: string[] = []
  const first = await capacity.acquire(signal, () => order.push('first waits'))
  const second = capacity.acquire(signal, () => order.push('second waits')).then((slot) => (order.push('second'), slot))
  const third = capacity.acquire(signal, () => order.push('third waits')).then((slot) => (order.push('third'), slot))
  expect(order).toEqual(['second waits', 'third waits'])
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  const slot = await second
  expect(order).not.toContain('third')
  slot[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  expect(order.slice(2)).toEqual(['second', 'third'])
  expect(capacity.used).toBe(0)
})

test('whoever gives up waiting takes no slot', async () => {
  const capacity = createCapacity(1)
  const slot = await capacity.acquire(new AbortController().signal, () => {})
  const impatient = new AbortController()
  const waiting = capacity.acquire(impatient.signal, () => {})
  impatient.abort(new Error('cancelled'))
  await expect(waiting).rejects.toThrow('cancelled')
  slot[Symbol.dispose]()
  expect(capacity.used).toBe(0)
})
