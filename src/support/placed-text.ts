/** A text made of another one. */
export interface PlacedText {
  readonly text: string
  /** Where each of its characters stands in the original: from `starts[index]` to `ends[index]`. */
  readonly starts: Uint32Array
  readonly ends: Uint32Array
}

/** @param limit of its characters */
export function createPlacedText(limit: number) {
  const units = new Uint16Array(limit)
  const starts = new Uint32Array(limit)
  const ends = new Uint32Array(limit)
  let length = 0
  return {
    last: () => (length > 0 ? units[length - 1] : undefined),
    push(unit: number, start: number, end: number) {
      units[length] = unit
      starts[length] = start
      ends[length++] = end
    },
    done: (): PlacedText => ({
      text: Buffer.from(units.buffer, 0, length * 2).toString('utf16le'),
      starts: starts.subarray(0, length),
      ends: ends.subarray(0, length),
    }),
  }
}
