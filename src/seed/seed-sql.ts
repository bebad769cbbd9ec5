import { pipeline } from 'node:stream/promises'

import type { Client } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type DatabaseAddress, connectDatabase } from './database.ts'
import { type SqlBatch, batchStatements } from './sql-batches.ts'
import { SqlSyntaxError } from './sql-script.ts'
import { type CopyData, type SqlStatement, splitStatements } from './sql-statements.ts'

export interface SeedResult {
  readonly statements: number
  /** Inserted, updated, deleted and copied, as the server counts them. */
  readonly rows: number
}

/**
 * Runs SQL while it is read, one batch of statements on its way while the next one is put together. `shown` is its name in messages.
 * @throws ClusterTestError `ERR_SEED_FAILED` with file, line, statement and the server's message
 */
export async function seedSql(
  address: DatabaseAddress,
  source: AsyncIterable<Uint8Array>,
  shown: string,
  signal: AbortSignal,
): Promise<SeedResult> {
  await using client = await connectDatabase(address, signal)
  // Saves a flush to disk for each statement; a server that crashes meanwhile has failed the seed anyway.
  await client.query('set synchronous_commit = off')
  // A statement may wait for a lock for ever.
  const abort = () => void client.end()
  signal.addEventListener('abort', abort, { once: true })
  let statements = 0
  let rows = 0
  let sent = Promise.resolve(0)
  try {
    for await (const batch of batchStatements(splitStatements(source))) {
      rows += await sent
      signal.throwIfAborted()
      statements += batch.statements.length
      sent = runBatch(client, batch, shown)
      // Waited for before the next one; until then its error is nobody's.
      sent.catch(() => {})
      if (batch.statements[0]!.data) await sent
    }
    rows += await sent
  } catch (error) {
    // What is wrong with the file stands behind what was sent before.
    if (error instanceof SqlSyntaxError) await sent
    signal.throwIfAborted()
    if (!(error instanceof SqlSyntaxError)) throw error
    throw new ClusterTestError('ERR_SEED_FAILED', `Seed "${shown}", line ${error.line}: ${error.message}`, {
      cause: error,
      hint: error.hint,
    })
  } finally {
    signal.removeEventListener('abort', abort)
  }
  return { statements, rows }
}

/** As one query, which the server takes back as a whole when a statement fails: then one by one, to find out which. */
async function runBatch(client: Client, { statements, isInTransaction }: SqlBatch, file: string): Promise<number> {
  if (statements.length === 1) return run(client, statements[0]!, file)
  const name = 'vitest_kubernetes_batch'
  const texts = statements.map(({ text }) => text)
  if (isInTransaction) texts.splice(0, 0, `savepoint ${name}`)
  if (isInTransaction) texts.push(`release ${name}`)
  try {
    const results = (await client.query(texts.join('\n;\n'))) as unknown as readonly { readonly rowCount: number | null }[]
    return results.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0)
  } catch {
    if (isInTransaction) await client.query(`rollback to ${name}; release ${name}`)
    let rows = 0
    for (const statement of statements) rows += await run(client, statement, file)
    return rows
  }
}

async function run(client: Client, { text, line, number, data }: SqlStatement, file: string): Promise<number> {
  try {
    if (!data) return (await client.query(text)).rowCount ?? 0
    const copy = client.query(copyFrom(text))
    await pipeline(data.rows, copy)
    return copy.rowCount
  } catch (error) {
    const { position, detail, hint, where } = error as { position?: string; detail?: string; hint?: string; where?: string }
    const more = detail ?? (data ? where : undefined)
    const at = (data && lineOfRow(data, where)) ?? line + linesBefore(text, position)
    const short = text.length > 200 ? `${text.slice(0, 200)} …` : text
    throw new ClusterTestError(
      'ERR_SEED_FAILED',
      `Seed "${file}", line ${at}, statement ${number}: ${messageOf(error)}${more ? ` (${more})` : ''}\n  ${short.replaceAll('\n', '\n  ')}`,
      { cause: error, hint },
    )
  }
}

/** The server counts characters of the statement, from 1. */
function linesBefore(text: string, position: string | undefined): number {
  const before = position ? Array.from(text).slice(0, Number(position) - 1) : []
  return before.filter((character) => character === '\n').length
}

/** `COPY city, line 7, column id: "x"` counts lines of the data, from 1. */
function lineOfRow(data: CopyData, where: string | undefined): number | undefined {
  const row = /^COPY .*?, line (\d+)/.exec(where ?? '')?.[1]
  return row ? data.line + Number(row) - 1 : undefined
}
