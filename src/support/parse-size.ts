/** Bytes of `160MB`, `1.5 GB`, `700MiB` or a number; undefined for what is no size. Without an i the units are powers of ten, as Docker prints them. */
export function parseSize(size: unknown): number | undefined {
  if (typeof size === 'number') return Number.isFinite(size) && size > 0 ? size : undefined
  const [, value, unit = 'B', binary] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(String(size).trim()) ?? []
  if (value === undefined) return undefined
  const power = ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase())
  const bytes = Number(value) * (binary ? 1024 : 1000) ** power
  return bytes > 0 ? bytes : undefined
}
