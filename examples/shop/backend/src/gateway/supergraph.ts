import { compositionHasErrors, composeServices } from '@theguild/federation-composition'
import { type DocumentNode, parse } from 'graphql'

/**
 * Composes the supergraph of what the subgraphs say now. One that does not answer counts with its last schema; a
 * schema that does not fit is refused, and the last supergraph stays.
 */
export class Supergraph {
  /** Why the last composition was refused. */
  error: string | undefined
  readonly #urls: Readonly<Record<string, string>>
  readonly #schemas = new Map<string, DocumentNode>()
  #last: string | undefined

  /** @param urls of the subgraphs, by name */
  constructor(urls: Readonly<Record<string, string>>) {
    this.#urls = urls
  }

  /** @throws Error if there has been no supergraph yet, and a subgraph does not answer or does not fit */
  async compose(): Promise<string> {
    try {
      this.#last = await this.#composeNow()
      this.#report(undefined)
    } catch (error) {
      this.#report((error as Error).message)
      if (this.#last === undefined) throw error
    }
    return this.#last
  }

  async #composeNow(): Promise<string> {
    const services = await Promise.all(
      Object.entries(this.#urls).map(async ([name, url]) => ({ name, url, typeDefs: await this.#schemaOf(name, url) })),
    )
    const result = composeServices(services)
    if (compositionHasErrors(result)) throw new Error(result.errors.map(({ message }) => message).join('\n'))
    return result.supergraphSdl
  }

  async #schemaOf(name: string, url: string): Promise<DocumentNode> {
    try {
      this.#schemas.set(name, parse(await fetchSchema(url)))
    } catch (error) {
      if (!this.#schemas.has(name)) throw new Error(`The subgraph "${name}" does not answer.`, { cause: error })
    }
    return this.#schemas.get(name)!
  }

  #report(error: string | undefined): void {
    if (error !== this.error) console.error(error === undefined ? 'The supergraph is composed again.' : `Not composed: ${error}`)
    this.error = error
  }
}

async function fetchSchema(url: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ _service { sdl } }' }),
    signal: AbortSignal.timeout(1_000),
  })
  const { data } = (await response.json()) as { data: { _service: { sdl: string } } }
  return data._service.sdl
}
