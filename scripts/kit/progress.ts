const SIGN_OF_LIFE = 15_000

export function log(line: string): void {
  process.stderr.write(`[setup] ${line}\n`)
}

/** Says what is being done, that it still is, and how long it took. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const elapsed = () => `${((performance.now() - start) / 1000).toFixed(1)} s`
  log(`${name} ...`)
  const life = setInterval(() => log(`${name} ... ${elapsed()}`), SIGN_OF_LIFE)
  try {
    const result = await work()
    log(`${name}: done in ${elapsed()}`)
    return result
  } catch (cause) {
    throw new Error(`${name}: failed after ${elapsed()}.`, { cause })
  } finally {
    clearInterval(life)
  }
}
