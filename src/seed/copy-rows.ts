export const lineFeed = 0x0a

/**
 * Rows of a COPY as they lie in the file, never decoded: what is within them is the server's business.
 * `blocks` are of whole lines, and `first` comes before them. What is behind the rows goes to `onEnd`, with the number of lines before it.
 */
export async function* readRows(
  first: Buffer,
  blocks: AsyncIterator<Buffer>,
  onEnd: (rest: Buffer, lines: number) => void,
): AsyncGenerator<Buffer> {
  let lines = 0
  for (let block = first; ;) {
    const end = findEnd(block)
    const rows = block.subarray(0, end?.from)
    lines += countLines(rows)
    if (rows.length > 0) yield rows
    if (end) return onEnd(block.subarray(end.to), lines + 1)
    const next = await blocks.next()
    if (next.done) return
    block = next.value
  }
}

/** The line of `\.` that ends the rows, in a block of whole lines. */
function findEnd(block: Buffer): { readonly from: number; readonly to: number } | undefined {
  for (let from = block.indexOf('\\.'); from >= 0; from = block.indexOf('\\.', from + 2)) {
    if (from > 0 && block[from - 1] !== lineFeed) continue
    const to = block.indexOf(lineFeed, from) + 1
    if (block.toString('latin1', from + 2, to).trim() === '') return { from, to }
  }
  return undefined
}

function countLines(block: Buffer): number {
  let lines = 0
  for (let at = block.indexOf(lineFeed); at >= 0; at = block.indexOf(lineFeed, at + 1)) lines++
  return lines
}
