import { createClient } from 'graphql-sse'

const client = createClient({ url: new URL('/graphql', location.href).href })

/** @throws Error with the messages of the gateway */
export async function graphql<Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] }
  if (errors) throw new Error(errors.map(({ message }) => message).join('\n'))
  return data!
}

/** Calls back for each event, over a connection that is made again when it breaks. Returns how to end it. */
export function subscribe(query: string, variables: Record<string, unknown>, onEvent: () => void): () => void {
  return client.subscribe({ query, variables }, { next: onEvent, error: (error) => console.error(error), complete: () => {} })
}
