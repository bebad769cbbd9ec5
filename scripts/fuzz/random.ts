/** Numbers that are the same for the same seed (mulberry32). */
export interface Random {
  /** From 0, and below `limit`. */
  below(limit: number): number
  /** Whether one of `times`. */
  once(times: number): boolean
  pick<Value>(values: readonly Value[]): Value
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const below = (limit: number): number => {
    state = (state + 0x6d_2b_79_f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  return { below, once: (times) => below(times) === 0, pick: (values) => values[below(values.length)]! }
}
