/** Runs all at the same time. When one fails the others are cancelled, and waited for, so that nothing goes on behind the error. */
export async function together<T extends readonly unknown[]>(
  signal: AbortSignal,
  works: { readonly [K in keyof T]: (signal: AbortSignal) => Promise<T[K]> },
): Promise<T> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  let first: { readonly error: unknown } | undefined
  const results = await Promise.allSettled(
    works.map(async (work) => {
      try {
        return await work(both)
      } catch (error) {
        first ??= { error }
        stop.abort(error)
        throw error
      }
    }),
  )
  if (first) throw first.error
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T
}
