import { expect, test } from 'vitest'

import { SqlSyntaxError } from './sql-script.ts'
import { splitStatements } from './sql-statements.ts'

test('splits at semicolons and tells where each statement starts', async () => {
  expect(await split('select 1;\n\n-- a comment; with a semicolon\nselect\n  2;select 3')).toEqual([
    { text: 'select 1', line: 1, number: 1 },
    { text: 'select\n  2', line: 4, number: 2 },
    { text: 'select 3', line: 5, number: 3 },
  ])
})

test.for([
  ['a string', `select 'a;b''c;'`],
  ['a string over lines', `select 'a;\nb;'`],
  ['an escape string', `select E'a\\';b'`],
  ['an escape string over lines', `select\nE'a\\';\nb'`],
  ['a name that ends in E before a string', `select 'x' as oldE, 'a\\'`],
  ['a rule', 'create rule r as on insert to t do also (insert into a values (1); insert into b values (2))'],
  [
    'a routine in standard SQL',
    'create or replace function f() returns int\nbegin atomic\n  select case when true then 1 end;\n  select 2;\nend',
  ],
  ['a quoted name', `select 1 as "a;""b"`],
  ['a dollar quote', 'do $$ begin; end; $$'],
  ['a tagged dollar quote', 'do $body$ select $$;$$; $body$'],
  ['a comment within', 'select 1 /* a; /* nested; */ b; */ + 1'],
])('keeps the semicolons of %s', async ([, statement]) => {
  expect((await split(`${statement};\nselect 2;`)).map(({ text }) => text)).toEqual([statement, 'select 2'])
})

test('takes a dollar sign inside a name for a part of it', async () => {
  expect((await split('select a$b$c; select 2')).map(({ text }) => text)).toEqual(['select a$b$c', 'select 2'])
})

test('leaves out comments between statements, and files that hold nothing else', async () => {
  expect(await split('/* head; */\n-- only this;\n')).toEqual([])
})

test('gives the rows of a COPY from a dump, and goes on behind them', async () => {
  const dump = 'COPY public.stock (sku, name) FROM stdin;\nA-1\tnuts; bolts\nA-2\t\\N\n\\.\n\nselect 1;\n'
  const seen: unknown[] = []
  for await (const { text, line, data } of splitStatements(chunks(dump, 7)))
    seen.push([text, line, data && [data.line, await textOf(data.rows)]])
  expect(seen).toEqual([
    ['COPY public.stock (sku, name) FROM stdin', 1, [2, 'A-1\tnuts; bolts\nA-2\t\\N\n']],
    ['select 1', 6, undefined],
  ])
})

test.for([1, 2, 3, 5, 8, 1000])('finds the end of the rows of a COPY in chunks of %i bytes', async (size) => {
  const rows = 'ä\t\\.\r\n\\.x\n\\\\.\n\\. .\nno end\\.\n'
  const dump = `\ufeff\\restrict x\r\n-- ä\ncopy "ä" -- rows\nfrom stdin\n; -- here\n${rows}\\. \r\nselect\n'ä';\ncopy t from stdin;\n\\.\nselect 2;\ncopy t from stdin;\n1`
  const seen: unknown[] = []
  for await (const { text, line, data } of splitStatements(chunks(dump, size)))
    seen.push([text, line, data && [data.line, await textOf(data.rows)]])
  expect(seen).toEqual([
    ['copy "ä" -- rows\nfrom stdin', 3, [6, rows]],
    ["select\n'ä'", 12, undefined],
    ['copy t from stdin', 14, [15, '']],
    ['select 2', 16, undefined],
    ['copy t from stdin', 17, [18, '1\n']],
  ])
})

test('gives the rows of a COPY as they are, and refuses statements that are not UTF-8', async () => {
  const latin1 = (text: string) => chunks(Buffer.from(text, 'latin1'), 1000)
  for await (const { data } of splitStatements(latin1('copy t from stdin;\nä\n\\.\n')))
    expect(Buffer.concat(await Array.fromAsync(data!.rows))).toEqual(Buffer.from([0xe4, 0x0a]))
  await expect(Array.fromAsync(splitStatements(latin1("select 1;\nselect\n'ä';\n")))).rejects.toMatchObject({
    line: 3,
    message: 'This is not UTF-8.',
  })
})

test('skips the rows of a COPY that nobody reads', async () => {
  expect((await split('copy t from stdin;\n1\n\\.\nselect 1;')).map(({ text }) => text)).toEqual(['copy t from stdin', 'select 1'])
})

test('passes over what frames the output of pg_dump and refuses other commands of psql', async () => {
  expect(await split('\\restrict abc\nselect 1;\n\\unrestrict abc\n')).toHaveLength(1)
  const error: unknown = await split('select 1;\n\\connect shop\n').catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(SqlSyntaxError)
  expect(error).toMatchObject({ line: 2, message: '"\\connect shop" is a psql command, not SQL.' })
})

test('reads Windows line ends', async () => {
  expect((await split('select 1;\r\nselect\r\n2;\r\n')).map(({ text }) => text)).toEqual(['select 1', 'select\r\n2'])
})

test.for([1, 2, 3, 5, 1000])('gives the same for chunks of %i bytes', async (size) => {
  const script = "insert into t values ('x;y');\ndo $a$ begin; end $a$;\nselect 2;\n"
  const texts = (await Array.fromAsync(splitStatements(chunks(script, size)))).map(({ text }) => text)
  expect(texts).toEqual(["insert into t values ('x;y')", 'do $a$ begin; end $a$', 'select 2'])
})

async function split(script: string) {
  const statements = await Array.fromAsync(splitStatements(chunks(script, 1000)), ({ text, line, number }) => ({ text, line, number }))
  return statements
}

async function textOf(rows: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(rows)).toString()
}

async function* chunks(text: string | Buffer, size: number) {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
