import { ClusterTestError } from '../support/errors.ts'

/** The keys of options. The compiler refuses a list that lacks one, or has one too many. */
export function allKeys<Options extends object>(keys: Readonly<Record<keyof Options, true>>): readonly (keyof Options & string)[] {
  return Object.keys(keys) as (keyof Options & string)[]
}

export function checkKeys(option: string, value: object, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Option \`${option}\` has no key "${unknown}".`, {
      hint: `Its keys are ${known.join(', ')}.`,
    })
}

/** Refuses a key that is a letter away from a known one. All others may be meant for somebody else, such as vitest. */
export function refuseTypos(keys: readonly string[], known: readonly string[]): void {
  for (const key of keys) {
    const meant = known.includes(key) ? undefined : known.find((each) => isLetterAway(key, each))
    if (meant) throw new ClusterTestError('ERR_OPTIONS_INVALID', `There is no option \`${key}\`.`, { hint: `Did you mean \`${meant}\`?` })
  }
}

/** One letter more, less or another, or two that have changed places. */
function isLetterAway(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length)
  let start = 0
  while (start < shorter && a[start] === b[start]) start++
  let end = 0
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end++
  const [x, y] = [a.slice(start, a.length - end), b.slice(start, b.length - end)]
  return Math.max(x.length, y.length) === 1 || (x.length === 2 && y === `${x[1]}${x[0]}`)
}

export function checkOption(option: string, expected: string, value: unknown, isValid: (value: unknown) => boolean): void {
  if (value !== undefined && !isValid(value)) throw invalid(option, expected, value)
}

export function invalid(option: string, expected: string, value: unknown): ClusterTestError {
  return new ClusterTestError(
    'ERR_OPTIONS_INVALID',
    `Expected option \`${option}\` to be ${expected}, got ${show(value)} (${Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value}).`,
  )
}

/** Not everything has a JSON: big integers, and objects that hold themselves. */
function show(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
export const isTextArray = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText)
export const isPositive = (value: unknown) => typeof value === 'number' && value > 0
/** What a timer of Node.js can wait: 24 days. */
export const isDuration = (value: unknown) => isPositive(value) && (value as number) < 2 ** 31
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const isTextRecord = (value: unknown) => isRecord(value) && Object.values(value).every((each) => typeof each === 'string')
