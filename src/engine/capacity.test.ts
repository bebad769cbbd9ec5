import { expect, test, vi } from 'vitest'

import { createCapacity } from './capacity.ts'

const { signal } = new AbortController()
const plenty = { totalMemory: 100, freeMemory: async () => 100 }

test('gives slots in the order of asking, and never more than there are', async () => {
  const capacity = createCapacity({ limit: 1, ...plenty })
  const order: string[] = []
  const first = await capacity.acquire(1, signal, () => order.push('first waits'))
  const second = capacity.acquire(1, signal, () => order.push('second waits')).then((slot) => (order.push('second'), slot))
  const third = capacity.acquire(1, signal, () => order.push('third waits')).then((slot) => (order.push('third'), slot))
  await expect.poll(() => order.toSorted()).toEqual(['second waits', 'third waits'])
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  const slot = await second
  expect(order).not.toContain('third')
  slot[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  expect(order.slice(2)).toEqual(['second', 'third'])
  expect(capacity.used).toBe(0)
})

test('whoever gives up waiting takes no slot, and lets the next one pass', async () => {
  const capacity = createCapacity({ limit: 1, ...plenty })
  const slot = await capacity.acquire(1, signal, () => {})
  const impatient = new AbortController()
  const waiting = capacity.acquire(1, impatient.signal, () => {})
  const next = capacity.acquire(1, signal, () => {})
  impatient.abort(new Error('cancelled'))
  await expect(waiting).rejects.toThrow('cancelled')
  slot[Symbol.dispose]()
  ;(await next)[Symbol.dispose]()
  expect(capacity.used).toBe(0)
})

test('suites that start together do not count the same free memory', async () => {
  const capacity = createCapacity({ limit: 9, ...plenty })
  const whys: string[] = []
  const first = await capacity.acquire(60, signal, () => {})
  const second = capacity.acquire(60, signal, (why) => whys.push(why))
  await expect.poll(() => whys).toEqual(['waiting for 60 B of memory, 40 B free'])
  expect(capacity.used).toBe(1)
  first[Symbol.dispose]()
  await second
})

test('what a cluster has taken is counted by what is free, and others are let in when more becomes free', async () => {
  let free = 100
  const capacity = createCapacity({ limit: 9, totalMemory: 100, freeMemory: async () => free })
  const first = await capacity.acquire(60, signal, () => {})
  free = 50
  first.settle()
  const second = await capacity.acquire(50, signal, () => {})
  second[Symbol.dispose]()
  const wait = vi.fn<(why: string) => void>()
  const third = capacity.acquire(60, signal, wait)
  await expect.poll(() => wait.mock.calls).toEqual([['waiting for 60 B of memory, 50 B free']])
  free = 70
  await third
})

test('where free memory cannot be measured, a cluster counts as long as it lives', async () => {
  const capacity = createCapacity({ limit: 9, ...plenty, isMeasured: false })
  const first = await capacity.acquire(60, signal, () => {})
  first.settle()
  const wait = vi.fn<(why: string) => void>()
  const second = capacity.acquire(60, signal, wait)
  await expect.poll(() => wait.mock.calls.length).toBe(1)
  first[Symbol.dispose]()
  await second
})

test('waiting that can have no end is an error at once', async () => {
  const capacity = createCapacity({ limit: 9, totalMemory: 100, freeMemory: async () => 40 })
  await expect(capacity.acquire(60, signal, () => {})).rejects.toMatchObject({ code: 'ERR_CLUSTER_NOT_ENOUGH_MEMORY' })
  await capacity.acquire(30, signal, () => {})
  await expect(capacity.acquire(101, signal, () => {})).rejects.toMatchObject({ code: 'ERR_CLUSTER_NOT_ENOUGH_MEMORY' })
})

test('asks for room when somebody waits, and not before', async () => {
  const idle: Disposable[] = []
  const makeRoom = vi.fn<() => void>(() => idle.pop()?.[Symbol.dispose]())
  const capacity = createCapacity({ limit: 1, ...plenty, makeRoom })
  idle.push(await capacity.acquire(1, signal, () => {}))
  expect(makeRoom).not.toHaveBeenCalled()
  await capacity.acquire(1, signal, () => {})
  expect(makeRoom).toHaveBeenCalledOnce()
})

test('lends room for a cluster that sleeps where nobody waits and as much is left, and asks for it back when memory is short', async () => {
  let free = 100
  const makeRoom = vi.fn<(lacking: 'slots' | 'memory') => void>()
  const capacity = createCapacity({ limit: 1, totalMemory: 100, freeMemory: async () => free, makeRoom })
  const slot = await capacity.acquire(30, signal, () => {})
  slot.settle()
  free = 70
  const lent = await capacity.lend(30)
  expect(capacity.used).toBe(1)
  // 70 are free, of which the first one has not taken its 30 yet.
  expect(await capacity.lend(30)).toBe(undefined)
  lent!.settle()
  lent![Symbol.dispose]()
  expect(capacity.used).toBe(1)

  const waiting = capacity.acquire(90, signal, () => {})
  await vi.waitFor(() => expect(makeRoom).toHaveBeenLastCalledWith('slots'))
  expect(await capacity.lend(10)).toBe(undefined)
  const other = createCapacity({ limit: 2, totalMemory: 100, freeMemory: async () => free, makeRoom })
  const first = await other.acquire(1, signal, () => {})
  const second = other.acquire(90, signal, () => {})
  await vi.waitFor(() => expect(makeRoom).toHaveBeenLastCalledWith('memory'))
  free = 100
  first[Symbol.dispose]()
  slot[Symbol.dispose]()
  ;(await waiting)[Symbol.dispose]()
  ;(await second)[Symbol.dispose]()
})
