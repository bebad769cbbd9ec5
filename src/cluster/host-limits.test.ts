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
  expect(await readHostLimits(2 * totalmem())).toMatchObject({ freeMemory: 2 * totalmem(), inotifyInstances: undefined })
  expect((await readHostLimits(totalmem())).freeMemory).toBeLessThan(totalmem())
})

test('names what is missing and the cure', () => {
  expect(() => checkHostLimits({ ...enough, freeMemory: 500e6 }, 700e6)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The cluster needs 700 MB of memory and 500 MB are free.
    Hint: Stop other clusters and containers, give Docker more memory, or lower the option "memory" if the suite needs less.]
  `)
  expect(() => checkHostLimits({ ...enough, openFiles: 100 }, 700e6)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: This process may have 100 files open, and k3d and the connections to a cluster need at least 256.
    Hint: Raise it in this terminal: ulimit -n 4096]
  `)
  expect(() => checkHostLimits({ ...enough, inotifyWatches: 100 }, 700e6)).toThrow(/allows 100 inotify watches .*max_user_watches=524288/s)
  expect(() => checkHostLimits({ ...enough, inotifyInstances: 8 }, 700e6)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The kernel allows 8 inotify instances per user, and a cluster needs at least 64: nodes would never register.
    Hint: Raise it: sudo sysctl fs.inotify.max_user_instances=512]
  `)
})
