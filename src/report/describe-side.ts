/** What becomes of a workload's traffic, or of that between two. */
export function describeSide(side: string): string {
  return side === 'cut' ? 'cut off from each other' : `answered by ${side}`
}
