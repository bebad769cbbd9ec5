const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Makes `vitest run` clean up on Ctrl-C and SIGTERM, which vitest 5.1 does not: it ends the process at once, without any
 * hook. The first signal calls `end`; a second one, whichever of them, does what was done before.
 * @returns puts the former listeners back
 */
export function handleSignals(end: (signal: NodeJS.Signals) => Promise<void>): Disposable {
  const former = signals.map((signal) => ({ signal, listeners: process.listeners(signal) }))
  let isEnding = false
  const listener = (signal: NodeJS.Signals) => {
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
    for (const { signal, listeners } of former) {
      process.off(signal, listener)
      for (const each of listeners) process.on(signal, each)
    }
  }
  for (const signal of signals) process.removeAllListeners(signal).on(signal, listener)
  return { [Symbol.dispose]: restore }
}
