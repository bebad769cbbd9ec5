/** The objects of a list in a manifest. What is no list of objects is for the API server to refuse. */
export function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]).filter((each) => typeof each === 'object' && each !== null) : []
}
