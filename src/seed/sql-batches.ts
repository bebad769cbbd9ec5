import type { SqlStatement } from './sql-statements.ts'

/** Statements to send as one: neither a small script nor a large one waits for the network after each of them. */
export interface SqlBatch {
  readonly statements: readonly SqlStatement[]
  /** Whether the script has a transaction open. */
  readonly isInTransaction: boolean
}

/** Characters and statements of a batch. */
const limits = { characters: 1 << 18, statements: 500 }

/** What changes rows only: together it does what it does alone, unless one of them fails. */
const isRows = /^(?:insert|update|delete)\b/i
const opens = /^(?:begin|start\s+transaction)\b/i
const closes = /^(?:commit|end|abort|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b))\b/i

/** Puts statements that follow each other together; all others, COPY among them, stay alone. */
export async function* batchStatements(source: AsyncIterable<SqlStatement>): AsyncGenerator<SqlBatch> {
  let isInTransaction = false
  let statements: SqlStatement[] = []
  let characters = 0
  const take = (): SqlBatch => {
    const batch = { statements, isInTransaction }
    statements = []
    characters = 0
    return batch
  }
  for await (const statement of source) {
    const { text } = statement
    if (isRows.test(text)) {
      statements.push(statement)
      characters += text.length
      if (characters >= limits.characters || statements.length >= limits.statements) yield take()
      continue
    }
    if (statements.length > 0) yield take()
    yield { statements: [statement], isInTransaction }
    if (opens.test(text)) isInTransaction = true
    else if (closes.test(text)) isInTransaction = false
  }
  if (statements.length > 0) yield take()
}
