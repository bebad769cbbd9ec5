/** The objects of a list in a manifest. What is no list of objects is for the API server to refuse. */
export function listOf<T>(value: readonly T[] | undefined): readonly T[]
export function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[]
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'object' && each !== null) : []
}
