// How long 100 MB of SQL take by `seed` and by psql on the same server, one after the other, and the memory that the seed takes.
// Usage: sh scripts/setup node scripts/bench/seed.ts [megabytes] [rounds]
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { readSettings } from '../../src/engine/settings.ts'
import { connectDatabase } from '../../src/seed/database.ts'
import { seedSql } from '../../src/seed/seed-sql.ts'
import { substituteImage } from '../../src/stack/images/image-names.ts'
import { run } from '../kit/run.ts'
import { median } from './median.ts'

// synchronous_commit as the seed sets it, over TCP as the seed goes.
const psqlCommand = [
  ...['env', 'PGPASSWORD=bench', 'PGOPTIONS=-c synchronous_commit=off'],
  ...['psql', '--quiet', '--host=127.0.0.1', '--username=postgres', '--set=ON_ERROR_STOP=1', '--file=/seeds/seed.sql'],
]

const table = 'create table event (id int primary key, at timestamptz not null, kind text not null, payload text not null);\n'
const kindOf = (id: number) => ['order', 'payment', 'shipment'][id % 3]!
const payload = (id: number) => `{"sku": "A-${id % 9973}", "note": "it''s number ${id}; of many", "tags": ["x", "y"]}`

const image = substituteImage(readSettings(process.env).substitutes, 'postgres:17')
const megabytes = Number(process.argv[2] ?? 100)
const rounds = Number(process.argv[3] ?? 3)
const name = `seed-bench-${process.pid}`
const folder = await mkdtemp(join(tmpdir(), 'seed-bench-'))
const signal = AbortSignal.timeout(20 * 60_000)
try {
  const kinds = { 'COPY, as pg_dump writes': copyScript, 'INSERT of 100 rows each': insertScript, 'INSERT of one row each': singleScript }
  await run('docker', [
    ...['run', '--detach', '--name', name, '--publish', '127.0.0.1::5432', '--volume', `${folder}:/seeds:ro`],
    ...['--env', 'POSTGRES_PASSWORD=bench', image, '-c', 'fsync=off', '-c', 'max_wal_size=4GB'],
  ])
  const port = Number((await run('docker', ['port', name, '5432'])).trim().split(':').at(-1))
  const address = { host: '127.0.0.1', port, user: 'postgres', password: 'bench', database: 'postgres' }
  await using client = await connectDatabase(address, signal)
  for (const [kind, script] of Object.entries(kinds)) {
    const file = join(folder, 'seed.sql')
    await pipeline(Readable.from(script(megabytes * 1_000_000)), createWriteStream(file))
    const load = loadavg()[0]!
    const figures: { psql: number; seed: number; peakMB: number }[] = []
    for (let round = 0; round < rounds; round++) {
      const measure = async (work: () => Promise<unknown>) => {
        await client.query('drop table if exists event; checkpoint')
        const started = performance.now()
        await work()
        return Math.round(performance.now() - started) / 1000
      }
      const psql = await measure(() => run('docker', ['exec', name, ...psqlCommand]))
      let peak = 0
      const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 50)
      const seed = await measure(() => seedSql(address, createReadStream(file, { highWaterMark: 1 << 18 }), 'seed.sql', signal))
      clearInterval(watch)
      figures.push({ psql, seed, peakMB: Math.round(peak / 1e6) })
    }
    const medianOf = (key: keyof (typeof figures)[number]) => median(figures.map((each) => each[key]))
    console.log(
      JSON.stringify({
        kind,
        megabytes: Math.round((await stat(file)).size / 1e6),
        psql: medianOf('psql'),
        seed: medianOf('seed'),
        ratio: Math.round((medianOf('seed') / medianOf('psql')) * 100) / 100,
        peakMB: medianOf('peakMB'),
        rounds: figures.length,
        load: Math.round(load * 10) / 10,
      }),
    )
  }
} finally {
  await run('docker', ['rm', '--force', '--volumes', name])
  await rm(folder, { recursive: true })
}

function* copyScript(size: number): Generator<string> {
  yield `${table}copy event (id, at, kind, payload) from stdin;\n`
  let written = 0
  for (let id = 1; written < size; id++) {
    const row = `${id}\t2026-01-01 00:00:00+00\t${kindOf(id)}\t${payload(id)}\n`
    written += row.length
    yield row
  }
  yield '\\.\n'
}

function* insertScript(size: number, rows = 100): Generator<string> {
  yield table
  let written = 0
  for (let id = 1; written < size;) {
    const values = Array.from({ length: rows }, () => `(${id}, '2026-01-01 00:00:00+00', '${kindOf(id)}', '${payload(id++)}')`)
    const statement = `insert into event (id, at, kind, payload) values\n${values.join(',\n')};\n`
    written += statement.length
    yield statement
  }
}

function singleScript(size: number): Generator<string> {
  return insertScript(size / 10, 1)
}
