export type Labels = Readonly<Record<string, string>>

/** Whether the selector of a Service fits labels: an empty one fits none. */
export function selectorFits(selector: Labels = {}, labels: Labels = {}): boolean {
  const entries = Object.entries(selector)
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value)
}
