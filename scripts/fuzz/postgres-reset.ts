// Compares what a reset leaves with what was there when the snapshot was made: after statements by chance, beside clients that are in the
// middle of a transaction.
// Usage: node scripts/fuzz/postgres-reset.ts [seconds] [seed] [image]
import { setTimeout as sleep } from 'node:timers/promises'

import { Client } from 'pg'

import { postgresSnapshot } from '../../src/seed/postgres-snapshot.ts'
import type { Store } from '../../src/seed/store.ts'
import { messageOf } from '../../src/support/errors.ts'
import { runCommand } from '../../src/support/run-command.ts'
import { createRandom } from './random.ts'

const [seconds = '60', seed = '1', image = 'postgres:17'] = process.argv.slice(2)
const random = createRandom(Number(seed))

const schema = `
create table a (id serial primary key, t text);
insert into a (t) select 'row ' || n from generate_series(1, 300) n;
create table b (id serial primary key, a int references a on delete cascade, "we ird" text default E'tab\\t\\\\ and "q"');
insert into b (a) select n from generate_series(1, 50) n;
create schema "S x";
create table "S x"."t ""q" (a int);
insert into "S x"."t ""q" values (1), (1), (null);
create table part (k int, v int, b int references b) partition by range (k);
create table part1 partition of part for values from (0) to (10);
create table part2 partition of part for values from (10) to (1000);
insert into part values (1, 2, 3), (11, 4, 5);
create table self (id int primary key, up int references self);
insert into self values (1, null), (2, 1);
create table parent (i int);
create table child (j int) inherits (parent);
insert into parent values (1);
insert into child values (2, 3);
create table "sel""ect.x (y)" (i int);
insert into "sel""ect.x (y)" values (5);
create table "select" (i int);
insert into "select" values (6);
create unlogged table fast (i int);
insert into fast values (1);
create table plain (i int);
create table empty (i int);
create table none ();
create table computed (a int, twice int generated always as (a * 2) stored, "Ü, (b)" int);
insert into computed (a) values (1), (2);`
const tables = [
  'a',
  'b',
  '"S x"."t ""q"',
  'part',
  'part1',
  'self',
  'empty',
  'parent',
  'child',
  '"sel""ect.x (y)"',
  '"select"',
  'fast',
  'plain',
]
const id = () => random.below(400)
const statements: readonly (() => string)[] = [
  () => `insert into a (t) values ('new')`,
  () => `update a set t = t where id = ${id()}`,
  () => `update a set t = 'x' where id = ${id()}`,
  () => `delete from a where id = ${id()}`,
  () => `insert into b (a) values (1)`,
  () => `delete from b where id > 45`,
  () => `update "S x"."t ""q" set a = ${id()}`,
  () => `insert into part values (${id()}, 1, 1)`,
  () => `insert into self values (${1000 + id()}, 1) on conflict do nothing`,
  () => `insert into child values (1, 1)`,
  () => 'delete from only parent',
  () => `update computed set a = ${id()}`,
  () => `truncate ${random.pick(tables)} cascade`,
  () => `delete from ${random.pick(tables)}`,
  () => `vacuum ${random.pick(['', 'full', 'freeze'])} ${random.pick(tables)}`,
  () => 'create table if not exists later (i int)',
  () => `select nextval('a_id_seq')`,
  () => 'with gone as (delete from "select" returning i) insert into "select" select i from gone',
  () => 'insert into plain select id from a limit 3',
  () => 'cluster a using a_pkey',
  () =>
    `begin; savepoint one; insert into a (t) values ('sub'); rollback to one; savepoint two; update b set a = 2 where id = ${id()}; commit`,
]

/** One that holds up nobody who reads, until its transaction ends. */
function withoutLock(): string {
  const statement = random.pick(statements)()
  return /\b(?:truncate|cluster|alter|drop|create|lock|reindex|refresh)\b/i.test(statement) ? withoutLock() : statement
}

const docker = (...args: readonly string[]) => runCommand('docker', args)
const login = ['--env', 'POSTGRES_USER=app', '--env', 'POSTGRES_PASSWORD=app', '--env', 'POSTGRES_DB=shop']
const container = (await docker('run', '--detach', '--rm', ...login, image)).trim()
try {
  await compare((await docker('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', container)).trim())
} finally {
  await docker('rm', '--force', '--volumes', container)
}

async function compare(host: string): Promise<void> {
  const connect = async () => {
    const client = new Client({ host, user: 'app', password: 'app', database: 'shop' })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  /** What is refused belongs to it. */
  const attempt = async (client: Client, sql: string) => void (await client.query(sql).catch(() => client.query('rollback')))
  const shell = (script: string) => docker('exec', container, 'sh', '-c', `set -e\n${script}`)
  const path = '"${PGDATA:-/var/lib/postgresql/data}/snapshot"'
  const dump = async () =>
    (await shell('export PGPASSWORD=app; pg_dump --username=app --host=127.0.0.1 --data-only --inserts shop'))
      .split('\n')
      .filter((line) => line && !/^(?:--|\\)|later/.test(line))
      .toSorted()

  await waitFor(async () => (await connect()).end())
  const own = await connect()
  await own.query(schema)
  let before: readonly string[] = []
  let [rounds, snapshots] = [0, 0]
  for (const end = performance.now() + Number(seconds) * 1000; performance.now() < end; rounds++) {
    if (rounds % 25 === 0) {
      await own.query('drop table if exists later')
      const other = await connect()
      await attempt(other, `begin; ${withoutLock()}`)
      before = await dump()
      await shell(`rm -rf ${path}\n${postgresSnapshot.save(path, {} as Store)}`)
      await attempt(other, random.pick(['commit', 'rollback']))
      await other.end()
      snapshots++
    }
    for (let count = random.below(6); count > 0; count--) await attempt(own, random.pick(statements)())
    const restore = () => shell(postgresSnapshot.restore(path, {} as Store))
    if (random.once(2)) {
      const other = await connect()
      // It has written before the reset, and goes on beside it.
      await attempt(other, 'begin; insert into plain values (1)')
      const goesOn = sleep(random.below(200)).then(() =>
        attempt(other, `update a set t = 'late' where id = ${id()}; ${random.pick(statements)()}; commit`),
      )
      await restore().catch((error: unknown) => {
        if (!/deadlock/.test(messageOf(error))) throw error
      })
      await goesOn
      await other.end()
    }
    await restore()
    const after = await dump()
    if (after.join('\n') === before.join('\n')) continue
    const lacks = (all: readonly string[], lines: readonly string[]) =>
      lines
        .filter((line) => !all.includes(line))
        .slice(0, 10)
        .join('\n')
    console.log(`Round ${rounds} of seed ${seed} differs.\nMissing: ${lacks(after, before)}\nMore: ${lacks(before, after)}`)
    process.exitCode = 1
    break
  }
  console.log(`${rounds} resets of ${snapshots} snapshots, seed ${seed}`)
  await own.end()
}

/** The image starts its server twice. */
async function waitFor(action: () => Promise<void>): Promise<void> {
  for (let successes = 0; successes < 5; await sleep(300))
    successes = await action().then(
      () => successes + 1,
      () => 0,
    )
}
