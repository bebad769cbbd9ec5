import { totalmem } from 'node:os'

import { expect, test } from 'vitest'

import { checkHostLimits, checkMemory, readHostLimits } from './host-limits.ts'

test('lets a host pass that has enough, this one included', async () => {
  checkMemory(700e6, 700e6)
  checkHostLimits({ inotifyInstances: 128 })
  checkHostLimits({ inotifyInstances: undefined })
  const here = await readHostLimits(totalmem())
  checkHostLimits(here)
  checkMemory(here.freeMemory, 1)
  expect(here.isMeasured).toBe(true)
})

test('counts what the engine has where that is another machine', async () => {
  expect(await readHostLimits(2 * totalmem())).toMatchObject({ freeMemory: 2 * totalmem(), isMeasured: false, inotifyInstances: undefined })
  expect((await readHostLimits(totalmem())).freeMemory).toBeLessThan(totalmem())
})

test('names what is missing and the cure', () => {
  expect(() => checkMemory(500e6, 700e6)).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The cluster needs 700 MB of memory, but only 500 MB are free.
    Hint: Stop other clusters and containers, give Docker more memory, or lower the option "memory" if the suite needs less.]
  `)
  expect(() => checkHostLimits({ inotifyInstances: 128, openFiles: 100 })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: This process may open 100 files, but k3d and the connections to a cluster need at least 256.
    Hint: Raise it in this terminal: ulimit -n 4096]
  `)
  expect(() => checkHostLimits({ inotifyInstances: 128, inotifyWatches: 100 })).toThrow(
    /allows 100 inotify watches .*max_user_watches=524288/s,
  )
  expect(() => checkHostLimits({ inotifyInstances: 8 })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: The kernel allows 8 inotify instances per user, but a cluster needs at least 64: its nodes would never register.
    Hint: Raise it: sudo sysctl fs.inotify.max_user_instances=512]
  `)
})
