/**
 * Makes `vitest run` clean up on Ctrl-C and SIGTERM, which vitest 5.1 does not: it ends the process at once, without any
 * hook. The first signal calls `end`; the second one does what was done before.
 * @returns puts the former listeners back
 */
export function handleSignals(end: (signal: NodeJS.Signals) => Promise<void>): Disposable {
  const handled = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const former = process.listeners(signal)
    let isEnding = false
    const listener = () => {
      if (isEnding) {
        restore()
        process.kill(process.pid, signal)
        return
      }
      // It stays: packages such as signal-exit end the process at once when no listener but theirs is left.
      isEnding = true
      void end(signal)
    }
    const restore = () => {
      process.off(signal, listener)
      for (const each of former) process.on(signal, each)
    }
    process.removeAllListeners(signal)
    process.on(signal, listener)
    return restore
  })
  return { [Symbol.dispose]: () => handled.forEach((restore) => restore()) }
}
