/** Milliseconds for people: `0.4 s`, `12.3 s`, `2 min 5 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** How long something has been there, roughly: `40 s`, `3 min`, `5 h`, `2 days`. */
export function formatAge(milliseconds: number): string {
  const minutes = milliseconds / 60_000
  if (minutes < 1) return `${Math.max(0, Math.round(milliseconds / 1000))} s`
  if (minutes < 120) return `${Math.round(minutes)} min`
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`
}

/** Bytes for people, in powers of ten as Docker prints them: `157 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** Names for a message: `"a", "b" and 3 more`. */
export function formatList(names: readonly string[], limit = 8): string {
  const shown = names.slice(0, limit).map((name) => `"${name}"`)
  if (names.length > limit) return `${shown.join(', ')} and ${names.length - limit} more`
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}` : (shown[0] ?? 'none')
}

/** `1 restart`, `2 restarts`. */
export function counted(count: number, what: string): string {
  return `${count} ${pluralOf(count, what)}`
}

/** `restart` of one, `restarts` of any other number. */
export function pluralOf(count: number, what: string): string {
  return count === 1 ? what : `${what}s`
}

/** The end of what a program has printed. */
export function lastLines(output: string, count = 20): string {
  return output.trim().split('\n').slice(-count).join('\n')
}
