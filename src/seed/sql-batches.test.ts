import { expect, test } from 'vitest'

import { batchStatements } from './sql-batches.ts'
import { splitStatements } from './sql-statements.ts'

test('statements that change rows go together, others alone, and transactions are known', async () => {
  expect(
    await batches(
      'create table a (n int); insert into a values (1); update a set n = 2; copy a from stdin;\n3\n\\.\nbegin; insert into a values (4); savepoint s; rollback to s; delete from a; commit; insert into a values (5);',
    ),
  ).toEqual([
    [['create table a (n int)'], false],
    [['insert into a values (1)', 'update a set n = 2'], false],
    [['copy a from stdin'], false],
    [['begin'], false],
    [['insert into a values (4)'], true],
    [['savepoint s'], true],
    [['rollback to s'], true],
    [['delete from a'], true],
    [['commit'], true],
    [['insert into a values (5)'], false],
  ])
})

test('a batch has an end', async () => {
  const sizes = (await batches('insert into a values (1);'.repeat(1200))).map(([texts]) => texts.length)
  expect(sizes).toEqual([500, 500, 200])
})

async function batches(script: string): Promise<readonly (readonly [readonly string[], boolean])[]> {
  const source = (async function* () {
    yield Buffer.from(script)
  })()
  return Array.fromAsync(batchStatements(splitStatements(source)), ({ statements, isInTransaction }) => [
    statements.map(({ text }) => text),
    isInTransaction,
  ])
}
