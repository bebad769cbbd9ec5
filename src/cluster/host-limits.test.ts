import { totalmem } from 'node:os'

import { expect, test } from 'vitest'

import { checkHostLimits, readHostLimits } from './host-limits.ts'

const enough = { freeMemory: 8e9, inotifyInstances: 128 }

test('lets a host pass that has enough, this one included', async () => {
  checkHostLimits(enough, 700e6)
  checkHostLimits({ ...enough, inotifyInstances: undefined }, 700e6)
  checkHostLimits(await readHostLimits(totalmem()), 1)
})

test('counts what the engine has where that is another machine', async () => {
  expect(await readHostLimits(2 * totalmem())).toEqual({ freeMemory: 2 * totalmem(), inotifyInstances: undefined })
  expect((await readHostLimits(totalmem())).freeMemory).toBeLessThan(totalmem())
})

test('names what is missing and the cure', () => {
  expect(() => checkHostLimits({ ...enough, freeMemory: 500e6 }, 700e6)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The cluster needs 700 MB of memory and 500 MB are free.
    Hint: Stop other clusters and containers, give Docker more memory, or lower the option "memory" if the suite needs less.]
  `)
  expect(() => checkHostLimits({ ...enough, inotifyInstances: 8 }, 700e6)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The kernel allows 8 inotify instances per user, and a cluster needs at least 64: nodes would never register.
    Hint: Raise it: sudo sysctl fs.inotify.max_user_instances=512]
  `)
})
