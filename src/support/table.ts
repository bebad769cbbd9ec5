import { stripVTControlCharacters } from 'node:util'

/** Rows in columns, without lines: what is empty in all rows of a column leaves it out. Numbers of columns in `right` are aligned at their end. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const shown = head.map((_, column) => column).filter((column) => rows.some((row) => row[column]))
  const widths = new Map(shown.map((column) => [column, Math.max(...[head, ...rows].map((row) => width(row[column])))]))
  const line = (row: readonly string[]) =>
    shown
      .map((column) => {
        const text = row[column] ?? ''
        const gap = ' '.repeat(widths.get(column)! - width(text))
        return right.includes(column) ? gap + text : text + gap
      })
      .join('  ')
      .trimEnd()
  return [head, ...rows].map(line).join('\n')
}

function width(text = ''): number {
  return stripVTControlCharacters(text).length
}
