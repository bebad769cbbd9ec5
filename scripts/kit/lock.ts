import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { startTime } from '../../src/cluster/ownership/owner.ts'
import type { Kit } from './kit.ts'

const POLL = 250

/** Only one set-up at a time works on the cache. The lock of a process that no longer runs counts as free. */
export async function withLock<T>(kit: Kit, work: () => Promise<T>): Promise<T> {
  await mkdir(kit.cache, { recursive: true })
  const lock = join(kit.cache, 'setup.lock')
  const mine = `${lock}.${process.pid}`
  await writeFile(mine, `${process.pid} ${startTime(process.pid)}`)
  try {
    await acquire(kit, lock, mine)
    try {
      return await work()
    } finally {
      await rm(lock, { force: true })
    }
  } finally {
    await rm(mine, { force: true })
  }
}

async function acquire(kit: Kit, lock: string, mine: string): Promise<void> {
  let told = false
  // A hard link appears at once with its content, so that no lock is ever seen without its owner.
  while (!(await linked(mine, lock))) {
    const owner = await ownerOf(lock)
    if (owner === undefined) continue
    if (!isRunning(owner)) {
      await removeStale(lock, mine, owner)
      continue
    }
    if (!told) kit.log(`Another set-up is at work (process ${owner.split(' ')[0]}): waiting for it.`)
    told = true
    await sleep(POLL)
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Pid and start time: after a reboot another process may have the number. */
async function ownerOf(lock: string): Promise<string | undefined> {
  try {
    return await readFile(lock, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function isRunning(owner: string): boolean {
  const [pid, started] = owner.split(' ')
  return startTime(Number(pid)) === started
}

/** Two waiters may find the same stale lock: what the slower one takes away can be the new lock of the faster one. */
async function removeStale(lock: string, mine: string, stale: string): Promise<void> {
  const taken = `${mine}.taken`
  try {
    await rename(lock, taken)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if ((await ownerOf(taken)) !== stale) await linked(taken, lock)
  await rm(taken, { force: true })
}
