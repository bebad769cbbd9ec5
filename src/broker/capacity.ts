/** A semaphore with a queue: first come, first served. */
export interface Capacity {
  readonly limit: number
  readonly used: number
  /** Resolves to a slot, once one is free; `onWait` is called if that is not at once. */
  acquire(signal: AbortSignal, onWait: () => void): Promise<Disposable>
}

export function createCapacity(limit: number): Capacity {
  let used = 0
  const queue: (() => void)[] = []
  const slot = (): Disposable => {
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (!isHeld) return
        isHeld = false
        const next = queue.shift()
        if (next) next()
        else used--
      },
    }
  }
  return {
    limit,
    get used() {
      return used
    },
    async acquire(signal, onWait) {
      signal.throwIfAborted()
      if (used < limit) {
        used++
        return slot()
      }
      onWait()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      queue.push(resolve)
      const abort = () => {
        const index = queue.indexOf(resolve)
        if (index >= 0) queue.splice(index, 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      try {
        await promise
        return slot()
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
  }
}
