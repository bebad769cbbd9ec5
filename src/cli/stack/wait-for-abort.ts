export interface AbortWait extends Disposable {
  readonly aborted: Promise<void>
}

/** Waits until somebody ends the command. Nothing else need keep the process alive meanwhile: bridges are looked after by nodes. */
export function waitForAbort(signal: AbortSignal): AbortWait {
  const alive = setInterval(() => {}, 60_000)
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  signal.addEventListener('abort', () => resolve(), { once: true })
  return { aborted, [Symbol.dispose]: () => clearInterval(alive) }
}
