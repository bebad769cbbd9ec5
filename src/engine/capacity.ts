import { checkMemory } from '../cluster/host-limits.ts'
import { formatBytes } from '../support/format.ts'

/** Room for one cluster. Disposal gives it back. */
export interface Slot extends Disposable {
  /** The cluster has taken its memory: from now on the machine's free memory shows it. */
  settle(): void
}

/** How many clusters there may be, by number and by memory. First come, first served. */
export interface Capacity {
  readonly limit: number
  readonly used: number
  /** Resolves to a slot, once there is room; `onWait` is told what is missing if that is not at once. */
  acquire(memory: number, signal: AbortSignal, onWait: (why: string) => void): Promise<Slot>
  /** Room for a cluster that sleeps, and so is none of that number, where nobody waits and as much is left for another one. */
  lend(memory: number): Promise<Slot | undefined>
}

export interface CapacityOptions {
  readonly limit: number
  /** Bytes that there are at all: who needs more does not wait. */
  readonly totalMemory: number
  /** Bytes that programs can still get at this moment. */
  readonly freeMemory: () => Promise<number>
  /** Whether `freeMemory` falls when a cluster takes some; else every cluster counts as long as it lives. @default true */
  readonly isMeasured?: boolean
  /** Asked to end a cluster that nobody uses, when somebody waits. */
  readonly makeRoom?: (lacking: 'slots' | 'memory') => void
}

interface Waiter {
  readonly memory: number
  readonly onWait: (why: string) => void
  readonly resolve: (slot: Slot) => void
  readonly reject: (error: unknown) => void
  told: string
}

/** Milliseconds until free memory is looked at again, which others may give back without telling. */
const lookAgain = 1_000

export function createCapacity({ limit, totalMemory, freeMemory, isMeasured = true, makeRoom = () => {} }: CapacityOptions): Capacity {
  let used = 0
  let reserved = 0
  const queue: Waiter[] = []
  let admitting: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const slot = (memory: number, count: 0 | 1): Slot => {
    used += count
    reserved += memory
    let isHeld = true
    let isReserved = true
    const settle = () => {
      if (isReserved) reserved -= memory
      isReserved = false
    }
    return {
      settle: () => void (isMeasured && settle()),
      [Symbol.dispose]() {
        if (!isHeld) return
        isHeld = false
        used -= count
        settle()
        void admit()
      },
    }
  }

  /** What keeps the first in the queue from starting; undefined when nothing does. */
  const missing = async ({ memory }: Waiter): Promise<string | undefined> => {
    if (used >= limit) return `waiting for one of ${limit} slots`
    const free = (await freeMemory()) - reserved
    if (free >= memory) return undefined
    if (used === 0 || memory > totalMemory) checkMemory(Math.min(free, totalMemory), memory)
    return `waiting for ${formatBytes(memory)} of memory, ${formatBytes(Math.max(0, free))} free`
  }

  const admitAll = async (): Promise<void> => {
    for (let first = queue[0]; first; first = queue[0]) {
      try {
        const why = await missing(first)
        if (queue[0] !== first) continue
        if (why !== undefined) {
          // The amount changes all the time: one line is enough.
          const kind = why.split(',')[0]!
          if (first.told !== kind) first.onWait(why)
          first.told = kind
          makeRoom(used >= limit ? 'slots' : 'memory')
          timer = setTimeout(() => void admit(), lookAgain).unref()
          return
        }
        queue.shift()
        first.resolve(slot(first.memory, 1))
      } catch (error) {
        if (queue[0] === first) queue.shift()
        first.reject(error)
      }
    }
  }

  /** One pass at a time, since each looks at what the one before has reserved. */
  const admit = (): Promise<void> => {
    clearTimeout(timer)
    const pass = (admitting ?? Promise.resolve()).then(admitAll)
    admitting = pass
    return pass
  }

  return {
    limit,
    get used() {
      return used
    },
    async lend(memory) {
      const free = (await freeMemory()) - reserved
      return queue.length === 0 && free >= 2 * memory ? slot(memory, 0) : undefined
    },
    async acquire(memory, signal, onWait) {
      signal.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<Slot>()
      const waiter: Waiter = { memory, onWait, resolve, reject, told: '' }
      queue.push(waiter)
      const abort = () => {
        const index = queue.indexOf(waiter)
        if (index < 0) return
        queue.splice(index, 1)
        reject(signal.reason)
        void admit()
      }
      signal.addEventListener('abort', abort, { once: true })
      try {
        if (queue.length > 1) {
          // Whoever is first tells by itself what is missing.
          waiter.told = `waiting for one of ${limit} slots`
          onWait(`${waiter.told}, ${queue.length - 1} before it`)
        }
        void admit()
        return await promise
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
  }
}
